//! The example of RFC 7677, round trips, and every way to fail.

use super::*;

const CLIENT_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const CLIENT_FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                            p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

fn keys() -> StoredKeys {
    StoredKeys::derive(b"pencil", &STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap(), 4096)
}

#[test]
fn rfc_7677_example() {
    let (mut client, first) = ClientExchange::start("user", CLIENT_NONCE, ClientBinding::Unsupported);
    assert_eq!(first, CLIENT_FIRST.as_bytes());
    let (server, challenge) = ServerExchange::start(&first, false, None, "user", keys(), SERVER_NONCE).unwrap();
    assert_eq!(challenge, SERVER_FIRST.as_bytes());
    let (answer, kept) = client.respond(&challenge, b"pencil", None).unwrap();
    assert_eq!(answer, CLIENT_FINAL.as_bytes());
    let last = server.finish(&answer).unwrap();
    assert_eq!(last, SERVER_FINAL.as_bytes());
    client.finish(&last).unwrap();

    let (mut again, _) = ClientExchange::start("user", CLIENT_NONCE, ClientBinding::Unsupported);
    let (answer, _) = again.respond(&challenge, b"not used: the keys are kept", Some(&kept)).unwrap();
    assert_eq!(answer, CLIENT_FINAL.as_bytes());
}

#[test]
fn plus_is_bound_to_the_certificate() {
    let run = |client_data: &[u8], server_data: &[u8]| {
        let binding = ClientBinding::EndPoint(client_data.to_vec());
        let (mut client, first) = ClientExchange::start("a,b=c", "fyko", binding);
        let (server, challenge) = ServerExchange::start(&first, true, Some(server_data), "a,b=c", keys(), "3rfc")?;
        let (answer, _) = client.respond(&challenge, b"pencil", None)?;
        client.finish(&server.finish(&answer)?)
    };
    assert_eq!(run(b"hash", b"hash"), Ok(()));
    assert_eq!(run(b"hash", b"other"), Err(ScramError::Binding));
}

#[test]
fn first_messages_are_refused_for_a_reason() {
    let plus = "p=tls-server-end-point,,n=user,r=x";
    let cases: [(&str, bool, Option<&[u8]>, ScramError); 12] = [
        ("", false, None, ScramError::Malformed),
        ("n,a=root,n=user,r=x", false, None, ScramError::Malformed),
        ("n,,n=user", false, None, ScramError::Malformed),
        ("n,,n=user,r=", false, None, ScramError::Malformed),
        ("n,,n=us=er,r=x", false, None, ScramError::Malformed),
        ("n,,m=new,n=user,r=x", false, None, ScramError::Extension),
        ("n,,n=root,r=x", false, None, ScramError::User),
        ("y,,n=user,r=x", false, Some(b"hash"), ScramError::Downgrade),
        ("n,,n=user,r=x", true, Some(b"hash"), ScramError::Binding),
        (plus, true, None, ScramError::Binding),
        (plus, false, Some(b"hash"), ScramError::Binding),
        ("p=tls-unique,,n=user,r=x", true, Some(b"hash"), ScramError::Binding),
    ];
    for (message, plus, binding, expected) in cases {
        let result = ServerExchange::start(message.as_bytes(), plus, binding, "user", keys(), "y");
        assert_eq!(result.err(), Some(expected), "{message}");
    }
}

#[test]
fn last_messages_are_refused_for_a_reason() {
    let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    let zero = STANDARD.encode([0u8; 32]);
    let cases = [
        (String::new(), ScramError::Malformed),
        (format!("c=biws,r={nonce},p=!"), ScramError::Malformed),
        (format!("c=biws,r={nonce},p=YQ=="), ScramError::Malformed),
        (format!("c=biws,r={CLIENT_NONCE},p={zero}"), ScramError::Nonce),
        (format!("c=eSws,r={nonce},p={zero}"), ScramError::Binding),
        (format!("c=biws,r={nonce},p={zero}"), ScramError::Proof),
    ];
    for (message, expected) in cases {
        let (server, _) =
            ServerExchange::start(CLIENT_FIRST.as_bytes(), false, None, "user", keys(), SERVER_NONCE).unwrap();
        assert_eq!(server.finish(message.as_bytes()).err(), Some(expected), "{message}");
    }
}

#[test]
fn challenges_are_refused_for_a_reason() {
    let cases = [
        ("r=elsexyz,s=YQ==,i=4096", ScramError::Nonce),
        ("r=abc,s=YQ==,i=4096", ScramError::Nonce),
        ("r=abcd,s=YQ==,i=4095", ScramError::Iterations(4095)),
        ("r=abcd,s=YQ==,i=600001", ScramError::Iterations(600_001)),
        ("r=abcd,s=,i=4096", ScramError::Malformed),
        ("r=abcd,s=YQ==,i=x", ScramError::Malformed),
        ("r=abcd,s=YQ==", ScramError::Malformed),
        ("m=x,r=abcd,s=YQ==,i=4096", ScramError::Extension),
    ];
    for (challenge, expected) in cases {
        let (mut client, _) = ClientExchange::start("user", "abc", ClientBinding::Unused);
        assert_eq!(client.respond(challenge.as_bytes(), b"pencil", None).err(), Some(expected), "{challenge}");
    }
}

#[test]
fn a_server_without_the_keys_is_found_out() {
    let (mut client, first) = ClientExchange::start("user", "abc", ClientBinding::Unsupported);
    let (_, challenge) = ServerExchange::start(&first, false, None, "user", keys(), "def").unwrap();
    client.respond(&challenge, b"pencil", None).unwrap();
    assert_eq!(client.finish(SERVER_FINAL.as_bytes()), Err(ScramError::ServerSignature));
}

#[test]
fn unknown_users_look_like_known_ones() {
    let mock = |user| StoredKeys::mock(b"secret", user, 4096);
    assert_eq!(mock("nobody"), mock("nobody"));
    assert_ne!(mock("nobody").salt, mock("other").salt);
    assert_eq!(mock("nobody").salt.len(), 16);
    let (mut client, first) = ClientExchange::start("nobody", "abc", ClientBinding::Unsupported);
    let (server, challenge) = ServerExchange::start(&first, false, None, "nobody", mock("nobody"), "def").unwrap();
    let (answer, _) = client.respond(&challenge, b"guess", None).unwrap();
    assert_eq!(server.finish(&answer).err(), Some(ScramError::Proof));
}

#[test]
fn stored_keys_are_written_and_read() {
    let text = keys().to_string();
    assert_eq!(
        text,
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
         wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    );
    assert_eq!(text.parse(), Ok(keys()));
    assert!(!format!("{:?}", keys()).contains("WG5d"));
    for bad in ["", "SCRAM-SHA-256$1:YQ==$a:b", "SCRAM-SHA-1$4096:YQ==$a:b", "SCRAM-SHA-256$4096:YQ==$YQ==:YQ=="] {
        assert_eq!(bad.parse::<StoredKeys>(), Err(StoredKeysError), "{bad}");
    }
}
