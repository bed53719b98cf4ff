//! Where the answers, or what is logged of them, differ: on purpose, or until it is mended.

/// A difference, in all of these parts of all of these cases.
pub(super) struct Departure {
    cases: &'static [&'static str],
    /// `answer`, or fields of the log's line, which may tell what it likes of an answer that differs.
    parts: &'static [&'static str],
    /// How our answer begins.
    ours: &'static str,
    /// Why it is not Envoy's.
    pub(super) reason: &'static str,
}

const fn answer(
    cases: &'static [&'static str],
    ours: &'static str,
    reason: &'static str,
) -> Departure {
    Departure { cases, parts: &["answer"], ours, reason }
}

const fn logged(
    cases: &'static [&'static str],
    parts: &'static [&'static str],
    reason: &'static str,
) -> Departure {
    Departure { cases, parts, ours: "", reason }
}

const ON_PURPOSE: &[Departure] = &[
    answer(
        &["post-chunked", "get-chunked"],
        r#"200 ["content-length: "#,
        "a body that is there as a whole goes on with its length, in one write",
    ),
    answer(
        &["head-no-route"],
        r#"404 ["server: envoy"]"#,
        "an answer to HEAD does not speak of chunks that would not come for GET either",
    ),
    answer(&["redirect-head"], r#"301 ["location: "#, "as for other answers to HEAD"),
    answer(
        &["options"],
        r#"200 ["content-length: 187", "#,
        "a length of 0 is sent only with methods that expect content (RFC 9110, 8.6)",
    ),
    answer(
        &["unasked-upgrade"],
        "502 ",
        "a 101 that nobody asked for is a fault of the host, and no tunnel is opened",
    ),
    answer(&["bad-status"], "502 ", "a status below 100 is no HTTP, and is not passed on"),
    answer(
        &["bare-lf-answer"],
        "502 ",
        "a line ends in CR LF in answers, too; leniency invites smuggling",
    ),
    answer(
        &["half-a-head"],
        "503 ",
        "a connection that ends within a head has ended, and said nothing wrong before",
    ),
    answer(&["two-hosts"], "400 ", "which host is meant is not to be guessed (RFC 9112, 3.2)"),
    answer(&["bare-line-feeds"], "400 ", "a line ends in CR LF; leniency invites smuggling"),
    answer(
        &["two-spaces", "space-behind-version"],
        "400 ",
        "one space stands between the parts of the first line (RFC 9112, 3)",
    ),
    answer(&["folded"], "400 ", "obsolete line folding is refused (RFC 9112, 5.2)"),
    answer(&["bare-cr"], "400 ", "a bare CR in a value is refused (RFC 9112, 2.2)"),
    answer(&["chunk-without-end"], "400 ", "the data of a chunk end in CR LF (RFC 9112, 7.1)"),
    answer(&["host-with-user"], "400 ", "a host has no user (RFC 9110, 4.2.4)"),
    answer(
        &["connection-names-host"],
        "400 ",
        "Connection must not name Host; the request is refused before Host is missed",
    ),
    answer(
        &["strange-characters"],
        "400 ",
        "a target has the characters of a URI (RFC 3986); others are not passed on",
    ),
    answer(&["oldest-client"], "426 ", "HTTP/0.9 is not spoken, whatever is set"),
    answer(
        &[
            "direct-with-body",
            "post-no-route",
            "post-no-host",
            "redirect-see-other",
            "unescaped-away-post",
        ],
        "",
        "a body that has come already is read to its end, so that the connection can stay",
    ),
    answer(
        &[
            "frames-no-method",
            "frames-no-path",
            "frames-no-scheme",
            "frames-empty-path",
            "frames-path-without-slash",
            "frames-path-with-space",
            "frames-pseudo-behind",
            "frames-pseudo-twice",
            "frames-pseudo-of-answers",
            "frames-connection",
            "frames-transfer-encoding",
            "frames-keep-alive",
            "frames-upgrade",
            "frames-te",
            "frames-bad-length",
            "frames-length-without-body",
        ],
        "Reset(1, None)",
        "a malformed request ends its stream, not the connection (RFC 9113, 8.1.1)",
    ),
    answer(
        &["frames-no-authority"],
        "Answered(Some(400)",
        "a request without a host is answered as in HTTP/1",
    ),
    answer(
        &[
            "frames-pseudo-unknown",
            "frames-capitals",
            "frames-line-feed",
            "frames-nul",
            "frames-space-in-name",
            "frames-empty-name",
        ],
        "GoneAway(1)",
        "a block that holds no headers ends the connection with a GOAWAY that says why",
    ),
    answer(
        &["overflow-connections"],
        r#"503 ["content-length: "#,
        "a limit of no connections allows none; Envoy lets each worker have one",
    ),
    answer(
        &["mutation-answer-existing"],
        r#"200 ["content-length: "#,
        "a route does not change how long an answer is; Envoy's breaks",
    ),
    answer(
        &["worded-redirect"],
        "204 ",
        "204 has no length (RFC 9110, 8.6); Envoy sends that of the body that it leaves out",
    ),
    answer(
        &["upgrade-not-spoken"],
        "200 ",
        "how a host refuses an upgrade is the client's to read; Envoy tells its status alone",
    ),
];

/// Differs, to be mended.
const TO_BE_MENDED: &[Departure] = &[
    answer(
        &["frames-fragment"],
        "Answered(Some(200)",
        "the URI of a stream comes without its fragment, so that there is nothing to refuse",
    ),
    logged(
        &["http2-to-http1", "bad-chunk", "frames-length-too-long"],
        &["attempted", "upstream protocol", "upstream local"],
        "a request that never got onto a connection knows nothing of one",
    ),
    logged(
        &["fragment", "fragment-behind-query"],
        &["method", "path", "authority", "request duration"],
        "nothing is logged of a head that is refused",
    ),
];

/// All of them.
fn all() -> impl Iterator<Item = &'static Departure> {
    ON_PURPOSE.iter().chain(TO_BE_MENDED)
}

/// Those that hold for a case.
pub(super) fn of(case: &str) -> impl Iterator<Item = &'static Departure> {
    all().filter(move |departure| departure.cases.contains(&case))
}

impl Departure {
    /// Whether this part of a case's outcome is meant to differ, with our answer as it is.
    pub(super) fn expects(&self, part: &str, our_answer: &str) -> bool {
        let covered = self.parts == ["answer"] || self.parts.contains(&part);
        covered && our_answer.starts_with(self.ours)
    }

    /// Whether only what is logged differs.
    pub(super) fn of_log(&self) -> bool {
        self.parts != ["answer"]
    }

    /// What has to differ.
    pub(super) fn parts(&self) -> &'static [&'static str] {
        self.parts
    }
}

/// Every case that is named here.
pub(super) fn named() -> impl Iterator<Item = &'static str> {
    all().flat_map(|departure| departure.cases.iter().copied())
}
