//! Counters for monitoring, over HTTP on the socket of the daemon: `curl --unix-socket`.

use std::time::Duration;

use tokio::time::timeout;
use zccache_core::limits;
use zccache_core::protocol::metrics;

use super::daemon::Daemon;
use super::frames::{ConnectionError, Frames};

/// How long a peer may take to send its request, and to take the answer.
const PATIENCE: Duration = limits::ANSWER_WITHIN;

/// Answers a request that begins with these bytes, and is then done with the connection.
pub(super) async fn answer(
    daemon: &Daemon,
    frames: &Frames,
    begun: &[u8],
) -> Result<(), ConnectionError> {
    let exchange = async {
        let answer = match request(frames, begun).await? {
            Some(request) if is_for_metrics(&request) => {
                let status = daemon.status();
                let counters = daemon.ledger.read(None, false);
                response("200 OK", &metrics::text(&counters, Some(&status)))
            }
            Some(_) => response("404 Not Found", "only /metrics is here\n"),
            None => response("431 Request Header Fields Too Large", "too long\n"),
        };
        frames.send_bytes(&answer).await
    };
    match timeout(PATIENCE, exchange).await {
        Ok(done) => done,
        Err(_) => {
            tracing::info!("a request over HTTP takes too long");
            Ok(())
        }
    }
}

/// The whole head of a request; none if it is too long.
async fn request(frames: &Frames, begun: &[u8]) -> Result<Option<Vec<u8>>, ConnectionError> {
    let mut head = begun.to_vec();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        if head.len() > limits::HTTP_BYTES {
            return Ok(None);
        }
        head.extend(frames.receive_bytes().await?);
    }
    Ok(Some(head))
}

fn is_for_metrics(request: &[u8]) -> bool {
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next(), words.next(), words.next());
    let path = target.and_then(|target| target.split(|byte| *byte == b'?').next());
    let is_http = version.is_some_and(|version| version.starts_with(b"HTTP/1."));
    method == Some(b"GET") && path == Some(b"/metrics") && is_http && words.next().is_none()
}

fn response(status: &str, body: &str) -> Vec<u8> {
    let (kind, length) = (metrics::MEDIA_TYPE, body.len());
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_thing_is_asked_for() {
        for good in
            ["GET /metrics HTTP/1.1\r\n\r\n", "GET /metrics?x=1 HTTP/1.0\r\nHost: a\r\n\r\n"]
        {
            assert!(is_for_metrics(good.as_bytes()), "{good}");
        }
        for bad in [
            "GET / HTTP/1.1\r\n\r\n",
            "GET /metrics/x HTTP/1.1\r\n\r\n",
            "GET /metrics\r\n\r\n",
            "GET /metrics HTTP/2\r\n\r\n",
            "GET /metrics HTTP/1.1 x\r\n\r\n",
            "\r\n\r\n",
        ] {
            assert!(!is_for_metrics(bad.as_bytes()), "{bad}");
        }
    }
}
