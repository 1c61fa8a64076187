//! What a process says of itself to Prometheus.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::HOST;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Usage;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(5);
/// The most that is read of it.
const LARGEST: usize = 16 << 20;

const CPU: &str = "process_cpu_seconds_total";
const MEMORY: &str = "process_resident_memory_bytes";

/// An address that answers with metrics: those of `vitrail serve`, of mysqld_exporter's own kind, and of whatever else has the two standard figures of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Metrics {
    uri: Uri,
}

impl Metrics {
    /// Of `http://host:port/metrics`.
    pub(super) fn of(text: &str) -> Result<Metrics> {
        let uri: Uri = text.parse().with_context(|| format!("{text} is no URL"))?;
        if uri.scheme_str() != Some("http") || uri.host().is_none() {
            bail!("{text}: metrics are read from http://HOST:PORT/metrics");
        }
        Ok(Metrics { uri })
    }

    /// CPU and memory so far.
    pub(super) async fn usage(&self) -> Result<Usage> {
        let text = self.fetch().await?;
        let figure = |name| {
            sample(&text, name)
                .with_context(|| format!("{} has no {name}: is it the server's own address of metrics?", self.uri))
        };
        Ok(Usage { cpu: Duration::try_from_secs_f64(figure(CPU)?)?, memory: figure(MEMORY)? as u64 })
    }

    async fn fetch(&self) -> Result<String> {
        let text = timeout(LIMIT, self.ask()).await;
        let text = text.map_err(|_| anyhow::anyhow!("no answer within {LIMIT:?}")).flatten();
        text.with_context(|| format!("the metrics at {} cannot be read", self.uri))
    }

    async fn ask(&self) -> Result<String> {
        let (host, port) = (self.uri.host().unwrap_or_default(), self.uri.port_u16().unwrap_or(80));
        let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let request = Request::get(path).header(HOST, format!("{host}:{port}")).body(Empty::<Bytes>::new())?;
        let talk = async {
            let response = sender.send_request(request).await?;
            if !response.status().is_success() {
                bail!("it answers {}", response.status());
            }
            let body = Limited::new(response.into_body(), LARGEST).collect().await;
            let body = body.map_err(|error| anyhow::anyhow!("{error}"))?;
            Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
        };
        tokio::pin!(talk, connection);
        tokio::select! {
            text = &mut talk => text,
            // Over once the answer has come, or because there is none.
            _ = &mut connection => talk.await,
        }
    }
}

/// The value of a metric without labels.
fn sample(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| {
        let mut words = line.strip_prefix(name)?.strip_prefix([' ', '\t'])?.split_whitespace();
        words.next()?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::super::{Process, Usage};
    use super::*;

    /// Answers each request with `answer`; gives the address.
    async fn serve(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 4096];
                let length = stream.read(&mut request).await.unwrap_or(0);
                assert!(request[..length].starts_with(b"GET /metrics?x=1 HTTP/1.1\r\n"));
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        format!("me=http://{address}/metrics?x=1")
    }

    #[tokio::test]
    async fn the_two_figures_are_read() {
        let text = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n# HELP process_cpu_seconds_total CPU.\n\
                    process_cpu_seconds_total_of_others 9\nprocess_cpu_seconds_total 12.5\nprocess_resident_memory_bytes 3.4e+07 1700000000\n# EOF\n";
        let process = Process::parse(&serve(text).await).await.expect("metrics");
        let expected = Usage { cpu: Duration::from_millis(12_500), memory: 34_000_000 };
        assert_eq!((process.name.as_str(), process.usage().await), ("me", Some(expected)));
    }

    #[tokio::test]
    async fn what_is_wrong_is_said_before_the_run() {
        let lacking = serve("HTTP/1.1 200 OK\r\ncontent-length: 28\r\n\r\nprocess_cpu_seconds_total 1\n").await;
        let missing = serve("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
        let mute = serve("").await;
        for (text, says) in [
            (lacking.as_str(), "has no process_resident_memory_bytes: is it the server's own address of metrics?"),
            (&missing, "cannot be read: it answers 404 Not Found"),
            (&mute, "cannot be read"),
            ("me=http://127.0.0.1:1/metrics", "the metrics at http://127.0.0.1:1/metrics cannot be read"),
            ("me=https://localhost/metrics", "metrics are read from http://HOST:PORT/metrics"),
        ] {
            let error = Process::parse(text).await.expect_err("refused");
            assert!(format!("{error:#}").contains(says), "{text}: {error:#}");
        }
    }
}
