//! What a preflight finds missing in the privileges of the tablet's account.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use support::{Subject, Way, subjects_by};
use vitrail_harness::{Connection, Flavour};
use vitrail_tablet::Tablet;

const PRIVILEGES: [&str; 5] = ["SELECT", "INSERT", "UPDATE", "DELETE", "CREATE TEMPORARY TABLES"];
const SECRET: &str = "Zwölf-Boxkämpfer-7";

#[tokio::test]
async fn one_missing_privilege_is_one_finding() {
    for subject in subjects_by(Way::Direct, |_| {}).await {
        let mut admin = subject.admin().await;
        for lacking in PRIVILEGES {
            let user = account(&subject, &mut admin).await;
            let granted: Vec<&str> = PRIVILEGES.into_iter().filter(|privilege| *privilege != lacking).collect();
            run(&mut admin, &format!("GRANT {} ON `{}`.* TO {user}@'%'", granted.join(", "), subject.database)).await;
            let fixes = fixes(&subject, &user).await;
            let fix = format!("GRANT {lacking} ON `{}`.* TO `{user}`@…", subject.database);
            assert_eq!(fixes, [fix], "{}", subject.name);
            run(&mut admin, &format!("DROP USER {user}@'%'")).await;
        }
    }
}

#[tokio::test]
async fn roles_count_where_they_are_active() {
    for subject in subjects_by(Way::Direct, |_| {}).await {
        let mut admin = subject.admin().await;
        let user = account(&subject, &mut admin).await;
        let role = format!("{user}_role");
        for sql in [
            format!("CREATE ROLE {role}"),
            format!("GRANT {} ON `{}`.* TO {role}", PRIVILEGES.join(", "), subject.database),
            format!("GRANT {role} TO {user}@'%'"),
        ] {
            run(&mut admin, &sql).await;
        }
        // The tablet connects to the database, which an account without any active privilege may not.
        run(&mut admin, &format!("GRANT SELECT ON `{}`.* TO {user}@'%'", subject.database)).await;
        assert_eq!(fixes(&subject, &user).await.len(), 2, "{}: a role that is not active gives nothing", subject.name);
        let for_user = match subject.server.flavour() {
            Flavour::MySql => "TO",
            Flavour::MariaDb => "FOR",
        };
        run(&mut admin, &format!("SET DEFAULT ROLE {role} {for_user} {user}@'%'")).await;
        assert_eq!(fixes(&subject, &user).await, [""; 0], "{}", subject.name);
        run(&mut admin, &format!("DROP USER {user}@'%'")).await;
        run(&mut admin, &format!("DROP ROLE {role}")).await;
    }
}

/// An account without privileges; its name is that of the database, which no other test has.
async fn account(subject: &Subject, admin: &mut Connection) -> String {
    let user = format!("u_{}", subject.database);
    let user = user[..user.len().min(26)].to_owned();
    run(admin, &format!("CREATE USER {user}@'%' IDENTIFIED BY '{SECRET}'")).await;
    user
}

async fn run(admin: &mut Connection, sql: &str) {
    admin.execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// What the preflight of a tablet with this account proposes to grant.
async fn fixes(subject: &Subject, user: &str) -> Vec<String> {
    let mut config = subject.tablet.config().clone();
    config.mysql.user = user.to_owned();
    config.mysql.password = SECRET.to_owned();
    let tablet = Tablet::start(config).await.unwrap();
    let findings = tablet.preflight().await;
    tablet.close().await;
    assert!(findings.iter().all(|finding| !finding.what.contains("refuses")), "{findings:?}");
    findings.into_iter().map(|finding| finding.fix).filter(|fix| fix.starts_with("GRANT ")).collect()
}
