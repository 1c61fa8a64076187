//! Every vector of `testdata/urls` against the reader of connection URLs.

use std::path::Path;

use serde_json::Value;
use vitrail_proto::url::{Host, Url};

fn cases(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/urls").join(file);
    let text = std::fs::read_to_string(&path).expect("the vectors are in the repository");
    let cases: Vec<Value> = serde_json::from_str(&text).expect("vectors are JSON");
    assert!(!cases.is_empty());
    cases
}

#[test]
fn good_urls_are_read_and_written_without_the_password() {
    for case in cases("good.json") {
        let name = case["name"].as_str().unwrap();
        let url: Url = case["url"].as_str().unwrap().parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(url.user.as_deref(), case["user"].as_str(), "{name}");
        assert_eq!(url.password.as_deref(), case["password"].as_str(), "{name}");
        let hosts: Vec<String> = url.hosts.iter().map(Host::to_string).collect();
        let expected: Vec<String> =
            case["hosts"].as_array().unwrap().iter().map(|host| host.as_str().unwrap().to_owned()).collect();
        assert_eq!(hosts, expected, "{name}");
        assert_eq!(url.target.to_string(), case["target"].as_str().unwrap_or_default(), "{name}");
        assert_eq!(url.tls.map(|tls| tls.as_str()), case["tls"].as_str(), "{name}");
        let milliseconds = |time: Option<std::time::Duration>| time.map(|time| time.as_millis() as u64);
        assert_eq!(milliseconds(url.connect_timeout), case["connect_timeout_ms"].as_u64(), "{name}");
        assert_eq!(milliseconds(url.query_timeout), case["query_timeout_ms"].as_u64(), "{name}");
        assert_eq!(url.to_string(), case["display"].as_str().unwrap(), "{name}");
        if let Some(password) = url.password.as_deref().filter(|password| password.len() > 3) {
            assert!(!format!("{url} {url:?}").contains(password), "{name}");
        }
        if url.password.is_none() {
            assert_eq!(url.to_string().parse::<Url>().as_ref(), Ok(&url), "{name}");
        }
    }
}

#[test]
fn bad_urls_are_refused_where_they_are_wrong() {
    for case in cases("bad.json") {
        let name = case["name"].as_str().unwrap();
        let error = case["url"].as_str().unwrap().parse::<Url>().expect_err(name);
        assert_eq!(error.problem.name(), case["error"].as_str().unwrap(), "{name}: {error}");
        assert_eq!(error.position as u64, case["position"].as_u64().unwrap(), "{name}: {error}");
        if let Some(says) = case["says"].as_str() {
            assert!(error.to_string().contains(says), "{name}: {error}");
        }
    }
}
