//! A path that was brought into its form is in its form; the query stays what it was.
#![no_main]

use destrier_policy::{EscapedSlashes, PathForm};
use libfuzzer_sys::fuzz_target;

// A leaf of the proxy; the rest of it would be half a minute of building.
#[path = "../../crates/proxy/src/stack/sanitize/path.rs"]
mod path;
use path::{PathOutcome, bring_into_form};

fuzz_target!(|input: &[u8]| {
    let Some((&options, rest)) = input.split_first() else { return };
    let Ok(path) = std::str::from_utf8(rest) else { return };
    let form = PathForm {
        escaped_slashes: match options & 3 {
            0 => EscapedSlashes::KeepUnchanged,
            1 => EscapedSlashes::RejectRequest,
            2 => EscapedSlashes::UnescapeAndRedirect,
            _ => EscapedSlashes::UnescapeAndForward,
        },
        normalize: options & 4 != 0,
        merge_slashes: options & 8 != 0,
    };
    // What the codecs let through.
    if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return;
    }
    let formed = match bring_into_form(path, form) {
        PathOutcome::Same => path.to_owned(),
        PathOutcome::Forward(formed) | PathOutcome::Redirect(formed) => {
            assert_ne!(formed, path);
            formed
        }
        PathOutcome::Refuse(_) | PathOutcome::Reject => return,
    };
    let query = |path: &str| path.split_once('?').map(|(_, query)| query.to_owned());
    assert_eq!(query(&formed), query(path));
    let only_path = formed.split('?').next().unwrap_or_default();
    assert!(only_path.starts_with('/'), "{formed}");
    assert!(only_path.bytes().all(|byte| byte.is_ascii_graphic()), "{formed}");
    if form.merge_slashes {
        // Two that are all of a path stay two, as in Envoy.
        assert!(only_path == "//" || !only_path.contains("//"), "{formed}");
    }
    if form.normalize {
        let dots = only_path.split('/').any(|segment| segment == "." || segment == "..");
        assert!(!dots && !only_path.contains('\\'), "{formed}");
    }
    // Behind a percent sign that begins no escape, one that is undone may make another (`%%34%31`), as one
    // of a slash may (`%%32F`); as in Envoy, they are looked at once. Otherwise the form is reached at once.
    let hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let mut escapes = path.split('%').skip(1).map(str::as_bytes);
    let whole = escapes.all(|digits| hex(digits.first()) && hex(digits.get(1)));
    // `..;` counts only where it stands between slashes as it came: what unescaping makes of `/%2E.;` stays, in
    // Envoy too, and would be brought into form a second time.
    if whole && !path.contains(';') {
        assert_eq!(bring_into_form(&formed, form), PathOutcome::Same, "{formed}");
    }
});
