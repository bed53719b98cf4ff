//! What was compared, and what of it differs.

/// Comparisons of one kind.
pub(crate) struct Tally {
    kind: &'static str,
    files: usize,
    met: usize,
    unmet: Vec<String>,
}

impl Tally {
    pub(crate) fn new(kind: &'static str) -> Self {
        Self { kind, files: 0, met: 0, unmet: Vec::new() }
    }

    /// The comparisons from here on are of another file.
    pub(crate) fn next_file(&mut self) {
        self.files += 1;
    }

    pub(crate) fn compare<T: PartialEq + std::fmt::Debug>(
        &mut self,
        ours: T,
        recorded: T,
        what: impl FnOnce() -> String,
    ) {
        if ours == recorded {
            self.met += 1;
        } else {
            self.unmet.push(format!("{}: {ours:?}, recorded {recorded:?}", what()));
        }
    }

    /// Prints the sums. Fails when something differs, or when there was less to compare than `files` and
    /// `answers`.
    pub(crate) fn finish(self, files: usize, answers: usize) {
        let Self { kind, files: read, met, unmet } = self;
        println!("{kind}: {met} answers of {read} files are met, {} are not", unmet.len());
        for line in unmet.iter().take(20) {
            println!("  {line}");
        }
        assert!(unmet.is_empty(), "{} answers differ", unmet.len());
        assert!(
            read >= files && met >= answers,
            "only {met} answers of {read} files were compared"
        );
    }
}
