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
];

/// Differs, to be mended. The durations of request and response are not compared yet: of a request that
/// is not read to its end, or that no host answers, Envoy logs none.
const TO_BE_MENDED: &[Departure] = &[
    answer(
        &["overflow-connections"],
        "",
        "a cluster without connections waits for one, where Envoy lets each worker have one",
    ),
    answer(&["frames-fragment"], "Answered(Some(200)", "a fragment is refused in HTTP/1 alone"),
    answer(&["trailers-kept"], "200 ", "the connection is closed behind trailers"),
    answer(&["upgrade-to-nobody"], "503 ", "the connection stays behind a refused upgrade"),
    answer(&["upgrade-not-spoken"], "200 ", "a refusal of a host is passed on as it is"),
    answer(
        &["mutation-formats", "mutation-formats-forwarded", "mutation-formats-twice"],
        "200 ",
        "%UPSTREAM_CLUSTER% is empty in headers of a request",
    ),
    answer(&["mutation-formats-http2"], "200 ", "as over HTTP/1"),
    answer(
        &["mutation-answer-existing"],
        "InvalidData",
        "a route's change to content-length breaks the answer",
    ),
    answer(
        &["mutation-local-answer"],
        "503 ",
        "%RESPONSE_CODE_DETAILS% is empty in headers of a local answer",
    ),
    answer(
        &["sidecar-forwarded-twice"],
        "200 ",
        "several x-forwarded-for are not joined into one line",
    ),
    answer(&["normal-semicolon"], "200 ", "the normal form keeps `..;`"),
    answer(&["worded-grpc"], "200 ", "grpc-message loses a line feed at its end"),
    answer(&["worded-redirect"], "204 ", "Envoy sends the length of a body with 204"),
    answer(
        &["worded-bad-request", "worded-no-version"],
        "4",
        "the flag is there when the answer is worded, in Envoy only in the log",
    ),
    answer(&["head-timeout"], "408 ", "a late head is told as a late request"),
    answer(
        &["header-exact-twice"],
        "404 ",
        "several headers of a name are matched as one list, where Envoy matches each by itself",
    ),
    logged(
        &["http2-to-http1", "bad-chunk", "frames-length-too-long"],
        &["attempted", "upstream protocol", "upstream local"],
        "a request that never got onto a connection knows nothing of one",
    ),
    logged(
        &["frames-length-too-long", "frames-length-too-short"],
        &["content type"],
        "the log tells an answer that the reset stream did not get",
    ),
    logged(
        &["upgrade-not-allowed", "upgrade-of-another-kind"],
        &["route", "cluster"],
        "an upgrade is refused before the route is kept",
    ),
    logged(
        &["upgrade", "upgrade-in-capitals"],
        &["flags", "long flags", "details"],
        "a tunnel that the client ends is not logged as its disconnect",
    ),
    logged(&["route-not-for-grpc", "grpc-web-no-route"], &["grpc"], "gRPC is told by any subtype"),
    logged(
        &[
            "unescaped-away",
            "unescaped-away-grpc",
            "escaped-slash-refused",
            "escaped-backslash-refused",
            "escaped-refused-grpc",
            "h2-unescaped-away",
        ],
        &["path"],
        "the log tells the path before its slashes were unescaped",
    ),
    logged(
        &[
            "bad-host",
            "host-with-path",
            "target-star",
            "target-empty-authority",
            "target-other-scheme",
        ],
        &["details"],
        "a wrong target or host is not told from other faults",
    ),
    logged(
        &["fragment", "fragment-behind-query"],
        &["method", "path", "authority"],
        "nothing is logged of a head that is refused",
    ),
    logged(&["absolute-not-taken"], &["path"], "the log tells the path of the target alone"),
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
