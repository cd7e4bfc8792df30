//! Against servers that behave as badly as servers do (F10, F12).

use std::io::Write;
use std::net::TcpListener;

use super::*;
use crate::http::tiny::{Server, drip, hang, reply, send_on};

/// Of requests that are answered.
const LONG: Duration = Duration::from_secs(20);
/// Of requests that are not.
const SHORT: Duration = Duration::from_millis(400);
/// What a busy machine may add to [`SHORT`].
const SLACK: Duration = Duration::from_secs(5);

fn get(url: String, limit: Duration) -> Request {
    Request {
        method: Method::Get,
        url,
        headers: BTreeMap::new(),
        body: None,
        limit,
        reading: Reading::Body,
    }
}

/// What a request ends with, and that it does within its limit.
fn cut(request: &Request) -> Result<Answer, NoAnswer> {
    let began = Instant::now();
    let answer = request.send();
    assert!(began.elapsed() < request.limit + SLACK, "{:?}", began.elapsed());
    answer
}

#[test]
fn a_request_is_made_as_it_is_written() {
    let server = Server::always(200, "ok");
    let url = server.url("/x?y=z").replace("http://", "http://me:se%63ret@");
    let headers = [("X-One", "1"), ("Content-Type", "application/json")];
    let request = Request {
        method: Method::Post,
        headers: headers.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        body: Some("{\"a\":1}".to_owned()),
        ..get(url, LONG)
    };
    let answer = request.send().unwrap();
    assert_eq!((answer.status, answer.body.as_str(), answer.is_whole), (200, "ok", true));
    assert_eq!(answer.sent_on_to, None);
    let asked = server.asked().remove(0);
    assert_eq!((asked.line.as_str(), asked.body.as_str()), ("POST /x?y=z HTTP/1.1", "{\"a\":1}"));
    let headers = asked.headers.join("\n").to_lowercase();
    assert!(headers.contains("x-one: 1"), "{headers}");
    assert!(headers.contains(&format!("host: 127.0.0.1:{}", server.port())), "{headers}");
    assert!(headers.contains("authorization: basic bwu6c2vjcmv0"), "{headers}");
    assert!(!headers.contains("accept-encoding"), "{headers}");
}

#[test]
fn f10_a_server_that_accepts_and_never_answers_costs_the_limit() {
    let server = Server::start(|stream, _| hang(stream));
    assert_eq!(cut(&get(server.url("/"), SHORT)), Err(NoAnswer::TimedOut { limit: SHORT }));
    // Nobody takes the connection from the kernel.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    assert_eq!(cut(&get(url, SHORT)), Err(NoAnswer::TimedOut { limit: SHORT }));
}

#[test]
fn f10_an_answer_that_drips_costs_the_limit() {
    let often = Duration::from_millis(20);
    let endless_headers = Server::start(move |stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 X\r\n");
        drip(stream, "x: y\r\n", often);
    });
    let timed_out = Err(NoAnswer::TimedOut { limit: SHORT });
    assert_eq!(cut(&get(endless_headers.url("/"), SHORT)), timed_out);
    let endless_body = Server::start(move |stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\n\r\n");
        drip(stream, "data: beat\n\n", often);
    });
    let answer = cut(&get(endless_body.url("/"), SHORT)).unwrap();
    assert!(answer.body.starts_with("data: beat\n") && !answer.is_whole, "{answer:?}");
    // Where the status is all that counts, the body is not waited for.
    let request = Request { reading: Reading::Status, ..get(endless_body.url("/"), LONG) };
    let began = Instant::now();
    assert_eq!(request.send().unwrap().status, 200);
    assert!(began.elapsed() < LONG / 2);
}

#[test]
fn of_a_bad_answer_a_glimpse_is_read_for_people() {
    let server = Server::start(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 503 X\r\n\r\nloading");
        drip(stream, ".", Duration::from_millis(20));
    });
    let request = Request { reading: Reading::Status, ..get(server.url("/"), LONG) };
    let began = Instant::now();
    let answer = request.send().unwrap();
    assert!(answer.status == 503 && answer.body.starts_with("loading"), "{answer:?}");
    assert!(began.elapsed() < LONG / 2);
}

#[test]
fn only_the_first_64_kib_of_an_answer_are_read() {
    let server = Server::start(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 X\r\n\r\n");
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    let answer = get(server.url("/"), LONG).send().unwrap();
    assert_eq!((answer.body.len() as u64, answer.is_whole), (LONGEST, false));
    let headers = Server::start(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 X\r\n");
        while stream.write_all(b"x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n").is_ok() {}
    });
    let refused = get(headers.url("/"), LONG).send();
    assert!(matches!(refused, Err(NoAnswer::Broken { .. })), "{refused:?}");
}

#[test]
fn a_request_is_sent_on_within_its_server() {
    let server = Server::start(|stream, asked| match asked.path() {
        "/docs" => send_on(stream, 307, "/docs/"),
        "/docs/" => send_on(stream, 308, "../end?x"),
        "/end?x" => reply(stream, 200, &asked.line),
        "/see" => send_on(stream, 303, "/end?x"),
        _ => reply(stream, 404, ""),
    });
    let post = |path| Request {
        method: Method::Post,
        body: Some("q".to_owned()),
        ..get(server.url(path), LONG)
    };
    let answer = post("/docs").send().unwrap();
    assert_eq!(answer.body, "POST /end?x HTTP/1.1");
    assert_eq!(answer.sent_on_to, Some(server.url("/end?x")));
    assert_eq!(server.asked().last().unwrap().body, "q");
    assert_eq!(post("/see").send().unwrap().body, "GET /end?x HTTP/1.1");
}

#[test]
fn a_request_is_never_sent_on_to_another_server_nor_in_circles() {
    let other = Server::always(200, "somebody else");
    let to = other.url("/x").replace("http://", "http://me:secret@");
    let server = Server::start(move |stream, asked| match asked.path() {
        "/away" => send_on(stream, 302, &to),
        "/tls" => send_on(stream, 301, "https://127.0.0.1/"),
        "/nowhere" => send_on(stream, 302, "ftp://127.0.0.1/"),
        _ => send_on(stream, 302, "/again"),
    });
    let sent = |path| get(server.url(path), LONG).send();
    assert_eq!(sent("/away"), Err(NoAnswer::Elsewhere { to: other.url("/x") }));
    assert!(other.asked().is_empty());
    assert_eq!(sent("/tls"), Err(NoAnswer::Elsewhere { to: "https://127.0.0.1/".to_owned() }));
    assert!(matches!(sent("/nowhere"), Err(NoAnswer::Broken { .. })));
    assert_eq!(sent("/loop"), Err(NoAnswer::Circles));
}

#[test]
fn localhost_is_both_of_its_addresses() {
    for own in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(listener) = TcpListener::bind(own) else { continue };
        let server = Server::on(listener, |stream, _| reply(stream, 200, "here"));
        let url = format!("http://localhost:{}/", server.port());
        assert_eq!(get(url, LONG).send().unwrap().body, "here", "{own}");
    }
}

#[test]
fn each_way_of_not_answering_has_its_name() {
    let refused = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    assert_eq!(get(refused, LONG).send(), Err(NoAnswer::Refused));
    let closes = Server::start(|_, _| {});
    assert_eq!(get(closes.url("/"), LONG).send(), Err(NoAnswer::Closed));
    let chatters = Server::start(|stream, _| {
        let _ = stream.write_all(b"220 mail ready\r\n\r\n");
    });
    let said = get(chatters.url("/"), LONG).send();
    assert!(matches!(said, Err(NoAnswer::Broken { .. })), "{said:?}");
    let unencrypted = closes.url("/").replace("http:", "https:");
    assert!(get(unencrypted, LONG).send().is_err());
    let headers = [("a b".to_owned(), String::new())].into();
    let senseless = Request { headers, ..get(closes.url("/"), LONG) };
    assert!(matches!(senseless.send(), Err(NoAnswer::Senseless { .. })));
}

#[test]
fn no_proxy_is_asked_whatever_the_environment_says() {
    const INSIDE: &str = "LEM_TEST_BEHIND_A_PROXY";
    if let Ok(url) = std::env::var(INSIDE) {
        assert_eq!(get(url, LONG).send().unwrap().body, "the server");
        return;
    }
    let server = Server::always(200, "the server");
    let proxy = Server::always(200, "the proxy");
    let this = std::env::current_exe().unwrap();
    #[allow(clippy::disallowed_methods, reason = "the variables of a process are set at its start")]
    let mut again = std::process::Command::new(this);
    let name = "http::probe::tests::no_proxy_is_asked_whatever_the_environment_says";
    again.args(["--exact", name]).env(INSIDE, server.url("/"));
    for key in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"] {
        again.env(key, proxy.url("/")).env_remove("NO_PROXY").env_remove("no_proxy");
    }
    assert!(again.output().unwrap().status.success());
    assert_eq!((server.asked().len(), proxy.asked().len()), (1, 0));
}
