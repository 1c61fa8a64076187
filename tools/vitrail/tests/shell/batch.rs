//! What scripts do: arguments, files and pipes, exit statuses, formats, `\copy`.

use std::process::{Command, Output, Stdio};

use vitrail_harness::flavours;

use crate::setting::{Setting, VITRAIL};

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_know_how_it_went() {
    for flavour in flavours() {
        let setting = Setting::new(flavour).await;
        // The first failure ends it; the line and the place are told.
        let script = "SELECT 1 AS a;\n\nSELECT nme\nFROM users;\nSELECT 2 AS b;\n";
        let output = setting.run(&[], Some(script));
        assert_eq!((output.status.code(), out(&output).as_str()), (Some(1), "a\n1\n"));
        assert!(err(&output).contains("\n  SELECT nme\n         ^\n  at standard input, line 3"), "{}", err(&output));
        let output = setting.run(&["--force"], Some(script));
        assert_eq!((output.status.code(), out(&output).as_str()), (Some(1), "a\n1\nb\n2\n"));

        // Files, also from files.
        let folder = setting.folder.path();
        std::fs::write(folder.join("one.sql"), "SELECT 1 AS a;\n\\i two.sql\nSELECT 3 AS c").unwrap();
        std::fs::write(folder.join("two.sql"), "use agency\nSELECT COUNT(*) AS b FROM booking;").unwrap();
        let output = setting.run(&["--file", "one.sql"], None);
        assert_eq!((output.status.code(), out(&output).as_str()), (Some(0), "a\n1\nb\n0\nc\n3\n"), "{}", err(&output));
        std::fs::write(folder.join("loop.sql"), "\\i loop.sql\n").unwrap();
        let output = setting.run(&["--file", "loop.sql"], None);
        assert_eq!(output.status.code(), Some(2));
        assert!(err(&output).contains("include each other"), "{}", err(&output));

        // Formats, settings, commands.
        let sql = "SELECT id, name, NULL AS n FROM users WHERE id = 3";
        let output = setting.run(&["-e", sql, "--format", "markdown"], None);
        assert_eq!(out(&output), "| id | name | n |\n| ---: | --- | --- |\n| 3 | user 3 | NULL |\n");
        let output = setting.run(&["-e", sql, "-f", "sql-insert"], None);
        assert_eq!(out(&output), "INSERT INTO result (id, name, n) VALUES\n  (3, 'user 3', NULL);\n");
        let output = setting.run(&["-e", sql, "-f", "table", "--set", "null=-"], None);
        assert!(out(&output).contains("│  3 │ user 3 │ - │"), "{}", out(&output));
        let output = setting.run(&["-e", "\\set max_rows 2\nSELECT id FROM users WHERE id IN (1, 2, 3)"], None);
        assert_eq!(out(&output).lines().count(), 3);
        assert!(err(&output).contains("there are more rows: cut at 2"), "{}", err(&output));
        let output = setting.run(&["-e", "\\o kept.txt\n\\set format csv\nSELECT 1 AS a\\g\n\\o\nSELECT 2 AS b"], None);
        assert_eq!((out(&output).as_str(), output.status.code()), ("b\n2\n", Some(0)));
        assert_eq!(std::fs::read_to_string(folder.join("kept.txt")).unwrap(), "a\n1\n");

        // A favourite, saved by one shell and run by another.
        let output = setting.run(&["-e", "\\fs user SELECT name FROM users WHERE id = $1"], None);
        assert!(output.status.success(), "{}", err(&output));
        assert_eq!(out(&setting.run(&["-e", "\\f user 4"], None)), "name\nuser 4\n");
        assert_eq!(setting.run(&["-e", "\\f usr 4"], None).status.code(), Some(2));

        // Whoever reads us may stop at any time.
        let many = "SELECT a.table_name FROM information_schema.columns a, information_schema.columns b LIMIT 100000";
        let mut shell = Command::new(VITRAIL);
        shell.arg("sql").arg(setting.url("agency")).args(["-e", many, "-e", "SELECT 2"]);
        let mut child = shell.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), err(&output).as_str()), (Some(0), ""));

        // Wrong arguments, no server.
        let status = |arguments: &[&str]| Command::new(VITRAIL).args(arguments).output().unwrap().status.code();
        assert_eq!(setting.run(&["--set", "colour=red"], None).status.code(), Some(2));
        assert_eq!(setting.run(&["--file", "nowhere.sql"], None).status.code(), Some(2));
        assert_eq!(status(&["sql", "vitrail://demo@127.0.0.1:1/shop", "-e", "SELECT 1"]), Some(3));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copied_rows_come_back_as_they_were() {
    for flavour in flavours() {
        let setting = Setting::new(flavour).await;
        let odd = "INSERT INTO users VALUES (100, '', NULL), (101, NULL, ''), (102, 'a,\"b\"\nc\t\\\\', x'00ff22'), (103, 'NULL', x'30')";
        assert!(setting.run(&["-e", odd], None).status.success());
        let all = "SELECT id, name, HEX(picture) AS picture FROM users ORDER BY id";
        let before = out(&setting.run(&["-e", all], None));
        assert_eq!(before.lines().count(), 25);
        for format in ["csv", "tsv"] {
            let copied =
                format!("\\copy users to users.{format}\nDELETE FROM users;\n\\copy users from 'users.{format}'");
            let output = setting.run(&["--yes", "-e", &copied], None);
            assert!(output.status.success(), "{}", err(&output));
            assert!(
                err(&output).contains("24 rows written") && err(&output).contains("24 rows loaded"),
                "{}",
                err(&output)
            );
            assert_eq!(out(&setting.run(&["-e", all], None)), before, "{format}");
        }

        // Many rows go in several statements; a row that is refused is told with its line, and what was kept.
        let rows: String = (1000..2200).map(|id| format!("{id},\"n {id}\"\n")).collect();
        let file = setting.folder.path().join("many.csv");
        std::fs::write(&file, format!("id,name\n{rows}1000,again\n")).unwrap();
        let output = setting.run(&["-e", "\\copy users from many.csv"], None);
        assert_eq!(output.status.code(), Some(1));
        assert!(err(&output).contains("from line 1002 on") && err(&output).contains("1,000 rows"), "{}", err(&output));
        let count = "SELECT COUNT(*) FROM users WHERE id BETWEEN 1000 AND 2199";
        assert_eq!(out(&setting.run(&["-e", count], None)), "COUNT(*)\n1000\n");
        let output = setting.run(&["-e", "\\copy (select id from users where id < 3 order by id) to two.jsonl"], None);
        assert!(output.status.success());
        let two = std::fs::read_to_string(setting.folder.path().join("two.jsonl")).unwrap();
        assert_eq!(two, "{\"id\": 1}\n{\"id\": 2}\n");
        std::fs::write(&file, "id,name\n1,2,3\n").unwrap();
        let output = setting.run(&["-e", "\\copy users from many.csv"], None);
        assert!(err(&output).contains("line 2: 3 fields, 2 columns"), "{}", err(&output));
    }
}
