//! Local replies that the listener words, as measured with Envoy 1.40.

use std::sync::Arc;

use destrier_policy::{
    AccessLogFilter, AppendAction, Comparison, ComparisonOp, DirectResponse, Format,
    FormatOperator, FormatPart, HcmPolicy, HeaderAddition, HeaderFormat, HeaderKey, HeaderMutation,
    HeaderPick, JsonTemplate, LocalReplyMapper, LocalReplyPolicy, RouteAction, UpstreamProtocol,
};
use http::{HeaderName, StatusCode};

use crate::support::{Reply, Rig, cluster, forward, route};

fn operator(operator: FormatOperator) -> FormatPart {
    FormatPart::Operator(operator, None)
}

fn literal(text: &str) -> FormatPart {
    FormatPart::Literal(text.into())
}

/// `<%LOCAL_REPLY_BODY%|%RESPONSE_CODE%|%RESPONSE_FLAGS%>` and a line feed, as `text/html`.
fn text() -> Format {
    let parts = [
        literal("<"),
        operator(FormatOperator::LocalReplyBody),
        literal("|"),
        operator(FormatOperator::ResponseCode),
        literal("|"),
        operator(FormatOperator::ResponseFlags),
        literal(">\n"),
    ];
    Format { content_type: Some("text/html".into()), ..Format::text(Box::from(parts)) }
}

/// `{"c":"%RESPONSE_CODE%","m":"%LOCAL_REPLY_BODY%","p":"%REQ(:path)%"}`.
fn json() -> Format {
    let path = HeaderPick { name: HeaderKey::Path, alternative: None };
    let fields = [
        ("c", FormatOperator::ResponseCode),
        ("m", FormatOperator::LocalReplyBody),
        ("p", FormatOperator::Request(path)),
    ]
    .map(|(key, value)| (key.into(), JsonTemplate::Text(Box::from([operator(value)]))));
    Format::json(JsonTemplate::Object(Box::from(fields)))
}

/// Every 503 becomes a 501 with a body of its own; everything else is formatted.
fn wording(policy: &mut HcmPolicy) {
    let value = [
        operator(FormatOperator::ResponseCode),
        literal("/"),
        operator(FormatOperator::ResponseFlags),
    ];
    let header = HeaderAddition {
        name: HeaderName::from_static("x-mapped"),
        value: HeaderFormat::Parts(Box::from(value)),
        action: AppendAction::Append,
        keep_empty: false,
    };
    let mapper = LocalReplyMapper {
        filter: AccessLogFilter::StatusCode(Comparison {
            operation: ComparisonOp::Equal,
            value: 503,
        }),
        status: Some(StatusCode::NOT_IMPLEMENTED),
        body: Some(Arc::from(&b"mapped"[..])),
        headers: Arc::new(HeaderMutation { remove: Box::default(), add: Box::from([header]) }),
        body_format: Some(json()),
    };
    policy.local_replies =
        LocalReplyPolicy { mappers: Box::from([mapper]), body_format: Some(text()) };
}

async fn rig() -> Rig {
    let direct = DirectResponse { status: StatusCode::OK, body: Arc::from(&b"hello"[..]) };
    let routes = vec![route("/dead", forward("c")), route("/direct", RouteAction::Direct(direct))];
    // Nobody listens there.
    let dead = ([127, 0, 0, 1], 1).into();
    Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[dead])
        .http(routes, wording)
        .start()
        .await
}

async fn ask(rig: &Rig, request: &str) -> Reply {
    let mut client = rig.client().await;
    client.send(format!("{request}\r\n\r\n")).await;
    client.reply().await
}

#[tokio::test]
async fn the_first_mapper_whose_filter_holds_words_a_reply() {
    let rig = rig().await;
    let reply = ask(&rig, "GET /dead?q HTTP/1.1\r\nhost: h").await;
    assert_eq!(reply.status, 501);
    assert_eq!(reply.header("x-mapped"), Some("503/UF"), "of the status as it was");
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.text(), "{\"c\":501,\"m\":\"mapped\",\"p\":\"/dead?q\"}\n");
    assert_eq!(rig.stat("http.in.downstream_rq_5xx"), 1);
}

#[tokio::test]
async fn a_grpc_client_reads_the_body_as_message() {
    let rig = rig().await;
    let reply = ask(&rig, "GET /dead HTTP/1.1\r\nhost: h\r\ncontent-type: application/grpc").await;
    assert_eq!((reply.status, reply.header("grpc-status")), (200, Some("2")));
    assert_eq!(reply.header("x-mapped"), Some("503/UF"));
    assert_eq!(reply.header("content-type"), Some("application/grpc"));
    let message = "{\"c\":501,\"m\":\"mapped\",\"p\":\"/dead\"}";
    assert_eq!(reply.header("grpc-message"), Some(message));
}

#[tokio::test]
async fn every_answer_that_is_made_here_is_worded() {
    let rig = rig().await;
    for (request, status, body) in [
        ("GET /direct HTTP/1.1\r\nhost: h", 200, "<hello|200|->\n"),
        ("GET /none HTTP/1.1\r\nhost: h", 404, "<|404|NR>\n"),
        ("nonsense", 400, "<Bad Request|400|->\n"),
    ] {
        let reply = ask(&rig, request).await;
        assert_eq!((reply.status, reply.text()), (status, body), "{request}");
        assert_eq!(reply.header("content-type"), Some("text/html"), "{request}");
    }
}
