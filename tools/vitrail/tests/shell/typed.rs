//! What is typed into a terminal, and what is seen.

use vitrail_harness::flavours;

use crate::screen::Screen;
use crate::setting::Setting;

/// Waits until MySQL runs, or runs no more, a statement that has `text`.
async fn settles(setting: &Setting, text: &str, running: bool) {
    let mut admin = setting.cluster.server.admin().await;
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while (setting.running(&mut admin, text).await > 0) != running {
        assert!(tokio::time::Instant::now() < end, "`{text}`: running should be {running}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_are_typed_completed_and_shown() {
    for flavour in flavours() {
        let setting = Setting::new(flavour).await;
        let screen = Screen::start(&[&setting.url("shop")], &setting.home(), &[]);
        assert!(screen.shows("demo@shop> ").contains("\\? lists the commands"));

        // A statement over several lines, its prompt, its table, and where it ran.
        screen.line("SELECT id, name, NULL AS n,");
        screen.shows("-> ");
        screen.line("'NULL' AS t FROM users ORDER BY id LIMIT 2;");
        let text = screen.shows("from 2 shards in");
        for line in [
            "│ id │ name   │ n    │ t      │",
            "├────┼────────┼──────┼────────┤",
            "│  2 │ user 2 │ NULL │ 'NULL' │",
            "2 rows from 2 shards in ",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }

        // Names are completed: one that is the only one at once, others by choice.
        screen.wipe();
        screen.keys("select count(*) from us");
        complete(&screen, "from users");
        screen.keys(" u where u.n");
        complete(&screen, "where u.name");
        screen.line(" = 'user 7';");
        screen.shows("│        1 │");

        // One column a line, on demand.
        screen.wipe();
        screen.line("select id, name from users where id = 3\\G");
        let text = screen.shows("1 row in");
        assert!(text.contains("*** 1. row ***") && text.contains("\n  id: 3\nname: user 3\n"), "{text}");

        // Commands.
        screen.wipe();
        screen.line("\\d users");
        let text = screen.shows("index by_name (name)");
        assert!(text.contains("varbinary(40)") && text.contains("primary key (id)"), "{text}");
        screen.wipe();
        screen.line("\\l");
        let text = screen.wait("the keyspaces", |text| text.contains("│ shop     │      2 │      1 │"));
        assert!(text.contains("│ agency   │      1 │      1 │"), "{text}");
        screen.wipe();
        screen.line("\\target shop:-80@primary");
        screen.shows("demo@shop:-80> ");
        screen.line("\\u shop");
        screen.shows("demo@shop> ");
        screen.line("\\explain select count(*) from users");
        screen.shows("all shards on `shop`");
        screen.line("\\dtt");
        screen.shows("there is no command \\dtt; did you mean \\dt?");

        // An error points at its place.
        screen.wipe();
        screen.line("select nme from users where id = 1;");
        let text = screen.shows("^");
        assert!(text.contains("Unknown column 'nme'"), "{text}");
        assert!(text.lines().any(|line| line == "         ^"), "{text}");

        // A transaction is seen in the prompt, and ends with the shell.
        screen.line("begin;");
        screen.shows("demo@shop*> ");
        screen.keys("\x04");
        assert_eq!(screen.end(), 0);
    }
}

/// Tab until the word is there: names are fetched in the background.
fn complete(screen: &Screen, expected: &str) {
    for _ in 0..200 {
        screen.keys("\t");
        let text = screen.wait("an answer to Tab", |text| text.contains(expected) || text.contains("NO RECORDS"));
        if text.contains(expected) && !text.contains("NO RECORDS") {
            return;
        }
        screen.keys("\x1b");
    }
    panic!("{expected} was not completed:\n{}", screen.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_cancels_the_statement_in_mysql() {
    for flavour in flavours() {
        let setting = Setting::new(flavour).await;
        let screen = Screen::start(&[&setting.url("agency")], &setting.home(), &[]);
        let rows: Vec<String> = (0..500).map(|id| format!("({id}, 'x')")).collect();
        let insert = format!("USE agency; INSERT INTO booking VALUES {}", rows.join(", "));
        assert!(setting.run(&["-e", &insert], None).status.success());
        let slow =
            "select /* slow one */ max(a.id * b.id + c.id - d.id) from booking a, booking b, booking c, booking d;";
        screen.line(slow);
        settles(&setting, "slow one", true).await;
        screen.keys("\x03");
        screen.shows("ERROR 1317");
        settles(&setting, "slow one", false).await;
        // At the prompt it does nothing but begin a new line.
        let prompts = |count| {
            screen.wait("a prompt more", |text| text.ends_with('>') && text.matches("demo@agency>").count() == count);
        };
        prompts(2);
        screen.keys("selec");
        screen.wait("what was typed", |text| text.matches("> selec").count() == 2);
        screen.keys("\x03");
        prompts(3);
        screen.keys("\x03");
        prompts(4);
        screen.line("select 40 + 2;");
        screen.shows("42");

        // A watch goes on until Ctrl-C.
        screen.line("select 'again' as w \\watch 0.1");
        screen.shows("run 3,");
        screen.keys("\x03");
        screen.ready();
        screen.line("select 'after' as a;");
        screen.shows("│ after │");
        screen.line("exit");
        assert_eq!(screen.end(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_undone_is_asked_about() {
    for flavour in flavours() {
        let setting = Setting::new(flavour).await;
        let count = || {
            let output = setting.run(&["-e", "SELECT COUNT(*) FROM users"], None);
            String::from_utf8(output.stdout).unwrap().lines().nth(1).unwrap().to_owned()
        };
        let screen = Screen::start(&[&setting.url("shop")], &setting.home(), &[]);
        screen.line("delete from users;");
        screen.shows("DELETE on users without WHERE: every row in keyspace shop");
        screen.line("n");
        screen.shows("not run");
        assert_eq!(count(), "20");
        screen.line("delete from users where id = 1;");
        screen.shows("1 row affected");
        screen.line("update users set name = 'x';");
        screen.shows("UPDATE on users without WHERE");
        screen.keys("\x03");
        screen.wait("the refusal", |text| text.matches("not run").count() == 2);
        screen.line("delete from users;");
        screen.wait("the question", |text| text.matches("DELETE on users").count() == 2);
        screen.line("yes");
        screen.shows("19 rows affected");
        assert_eq!(count(), "0");
        drop(screen);

        // Nothing is asked with --yes, nor of a script: there the server has the word.
        let script = "insert into users (id) values (1), (2); delete from users";
        let refused = setting.run(&["-e", script], None);
        assert!(String::from_utf8_lossy(&refused.stderr).contains("vitrail_allow_full_writes"));
        assert_eq!(count(), "2");
        let screen = Screen::start(&[&setting.url("shop"), "--yes"], &setting.home(), &[]);
        screen.line("delete from users;");
        screen.shows("2 rows affected");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_results_are_paged_and_secrets_are_not_remembered() {
    for flavour in flavours() {
        let setting = Setting::new(flavour).await;
        let paged = setting.folder.path().join("paged");
        let pager = format!("tee -a {} | tail -2", paged.display());
        let screen = Screen::start(&[&setting.url("shop")], &setting.home(), &[("PAGER", &pager)]);
        screen.line("select id from users order by id limit 5;");
        screen.shows("5 rows from");
        assert!(!paged.exists(), "a short result is not paged");
        screen.line("select id, name from users order by id; ");
        screen.shows("20 rows from");
        assert!(!paged.exists(), "twenty rows and their frame fit on the screen");
        screen.line("\\i many.sql");
        screen.shows("cannot read many.sql");
        let many: Vec<String> = (0..40).map(|number| format!("select {number} as n")).collect();
        screen.line(&format!("{};", many.join(" union all ")));
        screen.shows("40 rows in");
        let text = std::fs::read_to_string(&paged).unwrap();
        assert_eq!(text.lines().count(), 44, "{text}");

        // History: found by searching, kept for the next shell, but not with a password.
        screen.line("select 'needle' as found;");
        screen.shows("│ needle │");
        screen.wipe();
        screen.keys("\x12needl");
        screen.shows("select 'needle' as found;");
        screen.keys("\x03");
        screen.ready();
        screen.line("\\set safe off");
        screen.line("\\set");
        screen.shows("set here: ask before what cannot be undone");
        screen.ready();
        screen.line("create user 'a' identified by 'sesame';");
        screen.shows("ERROR");
        screen.ready();
        screen.keys("\x04");
        assert_eq!(screen.end(), 0);
        let history = std::fs::read_to_string(setting.home().join(".local/state/vitrail/history")).unwrap();
        assert!(history.contains("needle") && !history.contains("sesame"), "{history}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_is_made_again_and_what_went_with_it_is_told() {
    for flavour in flavours() {
        let mut setting = Setting::new(flavour).await;
        let screen = Screen::start(&[&setting.url("shop")], &setting.home(), &[]);
        screen.line("set time_zone = '+05:00';");
        screen.shows("OK in");
        setting.restart();
        screen.line("select @@time_zone as zone;");
        screen.shows("│ +05:00 │");
        screen.line("begin;");
        screen.shows("demo@shop*> ");
        screen.line("update users set name = 'lost' where id = 5;");
        screen.shows("1 row affected");
        setting.restart();
        screen.line("select 1 as one;");
        screen.shows("the connection was lost and the transaction with it");
        screen.shows("runs in a new session");
        screen.line("select @@time_zone as zone, name from users where id = 5;");
        screen.shows("│ +05:00 │ user 5 │");
    }
}
