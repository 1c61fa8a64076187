//! Those who have not logged in take little, and nothing from others: slow greetings, half-open connections, guessed passwords.
#![expect(clippy::unwrap_used, reason = "a panic in a test is the report")]

mod support;

use std::net::Ipv4Addr;
use std::time::Duration;

use support::guarded::Guarded;
use support::raw;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use vitrail_client::{Client, Code};
use vitrail_proto::scram::ClientBinding;

const USERS: &str = "[users.ann]\npassword = \"secret\"\n";

async fn ann(guarded: &Guarded) -> Client {
    Client::connect(&format!("vitrail://ann:secret@127.0.0.1:{}/plain?tls=disable", guarded.port())).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_guesses_passwords_has_to_pause() {
    let guarded = Guarded::start(tempfile::tempdir().unwrap(), "login_failures = 3", USERS).await;
    let guesser = Ipv4Addr::new(127, 0, 0, 2);
    let guess = async |user: &str, password: &str| {
        let mut wire = raw::connect_from(guesser, guarded.port()).await.unwrap();
        raw::log_in(&mut wire, user, password, ClientBinding::Unsupported).await
    };
    // Three are free; then each failure makes it pause, twice as long each time.
    let mut failures = 0;
    let pause = loop {
        match guess(["ann", "nobody"][failures % 2], "wrong").await.unwrap_err() {
            error if error.code == Code::Throttled => {
                assert!(failures > 3 && error.errno == 61001, "{failures} failures: {error}");
                let pause = Duration::from_millis(error.retry_after_ms.unwrap().into());
                if pause > Duration::from_secs(3) {
                    break pause;
                }
                tokio::time::sleep(pause).await;
            }
            error => {
                assert_eq!(error.code, Code::Unauthenticated);
                failures += 1;
            }
        }
    };
    assert!(pause <= Duration::from_secs(60) && failures >= 6, "{failures} failures, {pause:?}");
    // Even if it is right.
    assert_eq!(guess("ann", "secret").await.unwrap_err().code, Code::Throttled);
    // Others come in, and it does after its pause.
    ann(&guarded).await.close();
    let in_time = tokio::time::timeout(raw::LONG, async {
        while let Err(error) = guess("ann", "secret").await {
            assert_eq!(error.code, Code::Throttled);
            tokio::time::sleep(Duration::from_millis(error.retry_after_ms.unwrap().into())).await;
        }
    });
    in_time.await.expect("a pause ends");
    // A success takes nothing back: the next failure costs twice the pause.
    assert_eq!(guess("ann", "f").await.unwrap_err().code, Code::Unauthenticated);
    let error = guess("ann", "secret").await.unwrap_err();
    assert_eq!(error.code, Code::Throttled);
    guarded.process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_side_by_side_are_no_faster() {
    let guarded = Guarded::start(tempfile::tempdir().unwrap(), "login_failures = 3", USERS).await;
    let port = guarded.port();
    let guesses = (0..40).map(|number| {
        tokio::spawn(async move {
            let mut wire = raw::connect_from(Ipv4Addr::new(127, 0, 0, 3), port).await.unwrap();
            raw::log_in(&mut wire, "ann", &number.to_string(), ClientBinding::Unsupported).await.unwrap_err().code
        })
    });
    let mut looked_at = 0;
    for guess in guesses.collect::<Vec<_>>() {
        looked_at += usize::from(guess.await.unwrap() == Code::Unauthenticated);
    }
    // Three are free; each further one is looked at only after the pause of the one before.
    assert!((3..=12).contains(&looked_at), "{looked_at} guesses were looked at");
    ann(&guarded).await.close();
    guarded.process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_say_nothing_are_bounded_and_leave() {
    let folder = tempfile::tempdir().unwrap();
    let listen = "max_unauthenticated_per_address = 20\nauthentication = \"3s\"\nsocket = \"vitrail.sock\"";
    let guarded = Guarded::start(folder, listen, USERS).await;
    let (port, mut silent) = (guarded.port(), Vec::new());
    // A thousand connections from ten addresses: some say nothing, some a byte of a greeting.
    for number in 0..1_000u32 {
        let source = Ipv4Addr::new(127, 0, 1, u8::try_from(number % 10 + 1).unwrap());
        let mut wire = raw::connect_from(source, port).await.unwrap();
        if number % 2 == 0 {
            let _ = wire.write_all(&[40]).await;
        }
        silent.push(wire);
    }
    let mut local = Vec::new();
    for _ in 0..50 {
        local.push(UnixStream::connect(guarded.path("vitrail.sock")).await.unwrap());
    }
    // Others come in meanwhile, and work.
    let good = ann(&guarded).await;
    assert_eq!(good.query_scalar::<i64>("SELECT 1", ()).await.unwrap(), 1);
    // All of them are closed, and everybody has room again.
    for mut wire in silent {
        raw::closed(&mut wire).await;
    }
    for mut wire in local {
        raw::closed(&mut wire).await;
    }
    let mut late = raw::connect_from(Ipv4Addr::new(127, 0, 1, 1), port).await.unwrap();
    raw::log_in(&mut late, "ann", "secret", ClientBinding::Unsupported).await.unwrap();
    let unix = format!("vitrail://ann:secret@localhost/plain?socket={}", guarded.path("vitrail.sock").display());
    let local = Client::connect(&unix).await.unwrap();
    assert_eq!(local.query_scalar::<i64>("SELECT 1", ()).await.unwrap(), 1);
    local.close();
    good.close();
    guarded.process.stop().await;
}
