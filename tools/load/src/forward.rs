//! The floor: a TCP forwarder that does nothing, as a process of its own, in front of a MySQL that is a target as well. What it costs is what anything
//! between clients and MySQL costs at least on this machine.

use std::net::SocketAddr;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, copy_bidirectional_with_sizes};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::target::{Listening, Target};

/// Bytes that are copied at a time, in each direction.
const BUFFER: usize = 64 << 10;

/// The forwarder's process. Dropped, it ends.
pub(crate) struct Forwarder {
    address: SocketAddr,
    _child: Child,
}

/// Starts a forwarder in front of the first target that is a MySQL behind a TCP port, and puts it after that target.
pub(crate) async fn add_floor(targets: &mut Vec<Target>) -> Result<Forwarder> {
    let found = targets.iter().enumerate().find_map(|(index, target)| match target.listening() {
        Some(Listening::Tcp(host, port)) if target.vitrail().is_none() => Some((index, host, port)),
        _ => None,
    });
    let Some((index, host, port)) = found else {
        let by_socket = targets.iter().find(|target| target.vitrail().is_none());
        match by_socket {
            Some(target) => bail!(
                "--floor puts a TCP forwarder in front of MySQL, and {} is reached by a Unix socket: name its host and port, as mysql://root@127.0.0.1:3306/shop",
                target.name
            ),
            None => bail!(
                "--floor puts a TCP forwarder in front of MySQL: add a target as mysql://root@127.0.0.1:3306/shop"
            ),
        }
    };
    let forwarder = Forwarder::start(&host, port).await?;
    let floor = targets[index].detour("floor", forwarder.address)?;
    targets.insert(index + 1, floor);
    Ok(forwarder)
}

impl Forwarder {
    async fn start(host: &str, port: u16) -> Result<Forwarder> {
        let program = std::env::current_exe().context("this program does not know where it is")?;
        let mut child = Command::new(&program)
            .args(["bench", "forward", &format!("{host}:{port}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            // Ctrl-C of a terminal is for the load tester, which still has to read totals through it.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start a forwarder of {}", program.display()))?;
        let stdout = child.stdout.take().context("the forwarder has no standard output")?;
        let line = BufReader::new(stdout).lines().next_line().await?;
        let address = line.and_then(|line| line.parse().ok()).context("the forwarder did not start")?;
        Ok(Forwarder { address, _child: child })
    }
}

/// The forwarder's process: says where it listens, and copies bytes both ways until its standard input is closed. A thread for each core, each with its
/// own connections, since nothing here has to move between them.
///
/// # Errors
///
/// Where it forwards to cannot be reached.
pub(crate) async fn forward(to: &str) -> Result<()> {
    // Of several addresses the one that answers, so that connections need not look for it.
    let to = TcpStream::connect(to).await.and_then(|stream| stream.peer_addr());
    let to = to.context("what is forwarded to cannot be reached")?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let text = format!("{}\n", listener.local_addr()?);
    std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes())?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = (0..cores).map(|_| start_thread(to)).collect::<Result<Vec<_>>>()?;
    let accept = async {
        for thread in threads.iter().cycle() {
            let (client, _) = listener.accept().await?;
            thread.send(client.into_std()?).context("a thread has ended")?;
        }
        Ok(())
    };
    tokio::select! {
        outcome = accept => outcome,
        _ = async { tokio::io::stdin().read(&mut [0; 1]).await } => Ok(()),
    }
}

fn start_thread(to: SocketAddr) -> Result<UnboundedSender<std::net::TcpStream>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (sender, receiver) = unbounded_channel();
    std::thread::Builder::new().name("forward".into()).spawn(move || runtime.block_on(serve(receiver, to)))?;
    Ok(sender)
}

async fn serve(mut clients: UnboundedReceiver<std::net::TcpStream>, to: SocketAddr) {
    while let Some(client) = clients.recv().await {
        // A side that is lost ends the other one, whose owner tells of it.
        tokio::spawn(pass(client, to));
    }
}

async fn pass(client: std::net::TcpStream, to: SocketAddr) -> std::io::Result<()> {
    let mut client = TcpStream::from_std(client)?;
    let mut server = TcpStream::connect(to).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER, BUFFER).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_floor_needs_a_mysql_behind_a_port() {
        for (targets, says) in [
            (&["vitrail://app@127.0.0.1:1/shop"][..], "add a target as mysql://"),
            (&["a=mysql://root@localhost/shop?socket=/tmp/s"], "and a is reached by a Unix socket"),
        ] {
            let mut targets: Vec<Target> = targets.iter().map(|text| Target::parse(text).expect("a target")).collect();
            let Err(error) = add_floor(&mut targets).await else { panic!("taken") };
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
