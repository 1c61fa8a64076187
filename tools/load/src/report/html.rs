//! The report as a page: one file without scripts, that needs nothing else.

mod chart;
mod figures;

use std::fmt::Write as _;

use super::{Report, TargetReport, count, time};

const STYLE: &str = include_str!("html/style.css");

/// The page of a report.
///
/// # Errors
///
/// None that a report can bring about: it can be written as JSON.
pub fn page(report: &Report) -> Result<String, serde_json::Error> {
    let settings = &report.settings;
    let pace = settings.rate.map_or("as fast as it goes".to_owned(), |rate| format!("{} a second", count(rate)));
    let names: Vec<&str> = report.targets.iter().map(|target| target.name.as_str()).collect();
    let title = format!("{} on {}", report.workload, names.join(", "));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{0}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{0}</h1>\n",
        escape(&title)
    );
    let _ = writeln!(
        out,
        "<p class=\"lead\">{} clients, {pace}, {} rounds of {:.1} s for each target{} · {}</p>",
        count(settings.clients as f64),
        settings.rounds,
        settings.duration,
        if report.interrupted { ", ended early" } else { "" },
        escape(&date(report.environment.time))
    );
    for comparison in &report.comparisons {
        let _ = writeln!(out, "<p class=\"verdict\">{}</p>", escape(&comparison.verdict));
    }
    for target in &report.targets {
        for wrong in &target.wrong {
            let _ = writeln!(out, "<p class=\"wrong\"><b>Wrong</b> {}: {}</p>", escape(&target.name), escape(wrong));
        }
    }
    for warning in &report.warnings {
        let _ = writeln!(out, "<p class=\"note\"><b>Note</b> {}</p>", escape(warning));
    }
    summary(report, &mut out);
    out.push_str("<h2>Graphs</h2>\n<div class=\"charts\">\n");
    figures::draw(report, &mut out);
    out.push_str("</div>\n");
    operations(report, &mut out);
    errors(report, &mut out);
    environment(report, &pace, &mut out);
    // Whoever has the page has its figures.
    let data = serde_json::to_string(report)?.replace('<', "\\u003c");
    let _ = write!(
        out,
        "<footer>Made by vitrail bench {}; the page holds its report as JSON too.</footer>\n\
         <script type=\"application/json\" id=\"report\">{data}</script>\n</main>\n</body>\n</html>\n",
        escape(&report.environment.tool())
    );
    Ok(out)
}

/// Text as HTML shows it.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// To the second, in UTC.
fn date(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds)).to_string()
}

fn mebibytes(bytes: f64) -> String {
    format!("{:.0} MiB", bytes / f64::from(1 << 20))
}

/// A table: the first column and those called `text` to the left, all cells escaped.
fn table(titles: &[&str], texts: &[&str], rows: Vec<Vec<String>>, out: &mut String) {
    let class = |title: &str| if texts.contains(&title) { " class=\"text\"" } else { "" };
    out.push_str("<div class=\"wide\"><table><thead><tr>");
    for title in titles {
        let _ = write!(out, "<th{}>{}</th>", class(title), escape(title));
    }
    out.push_str("</tr></thead><tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (title, cell) in titles.iter().zip(row) {
            let _ = write!(out, "<td{}>{}</td>", class(title), escape(&cell));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
}

fn summary(report: &Report, out: &mut String) {
    out.push_str("<h2>Targets</h2>\n");
    let rows = report.targets.iter().map(|target| {
        let comparison = report.comparisons.iter().find(|comparison| comparison.target == target.name);
        let ratio = comparison.and_then(|comparison| comparison.rate).map_or(String::new(), |rate| {
            match (rate.low, rate.high) {
                (Some(low), Some(high)) => format!("{:.2} ({low:.2} to {high:.2})", rate.ratio),
                _ => format!("{:.2}", rate.ratio),
            }
        });
        let latency = &target.latency;
        let tried = latency.count + target.failed();
        let share = target.failed() as f64 * 100.0 / tried.max(1) as f64;
        let process = target.processes.first();
        let mut row = vec![target.name.clone(), count(target.rate.round()), ratio];
        row.extend([latency.p50, latency.p90, latency.p99, latency.p999, latency.max].map(time));
        row.push(format!("{} ({share:.2} %)", count(target.failed() as f64)));
        row.push(process.map_or("-".into(), |process| format!("{:.1} us", process.cpu_per_statement)));
        row.push(process.map_or("-".into(), |process| mebibytes(process.memory as f64)));
        row
    });
    let titles =
        ["target", "a second", "ratio", "p50", "p90", "p99", "p99.9", "max", "errors", "CPU a statement", "memory"];
    table(&titles, &[], rows.collect(), out);
}

fn operations(report: &Report, out: &mut String) {
    out.push_str("<h2>Operations</h2>\n");
    let row = |name: String, times: &super::Percentiles| {
        let mut row = vec![name, count(times.count as f64)];
        row.extend([times.p50, times.p90, times.p95, times.p99, times.p999, times.max].map(time));
        row.push(format!("{:.1}", times.spread));
        row
    };
    let mut rows = Vec::new();
    for target in &report.targets {
        for operation in &target.operations {
            rows.push(row(format!("{}: {}", target.name, operation.name), &operation.latency));
            if let Some(service) = &operation.service {
                rows.push(row(format!("{}: {}, once begun", target.name, operation.name), service));
            }
        }
    }
    table(&["operation", "count", "p50", "p90", "p95", "p99", "p99.9", "max", "p99/p50"], &[], rows, out);
}

fn errors(report: &Report, out: &mut String) {
    let of_target = |target: &TargetReport| -> Vec<Vec<String>> {
        let row = |(code, error): (&String, &super::ErrorReport)| {
            let percent = format!("{:.2} %", error.percent);
            let took = error.took.map_or(String::new(), |took| time(took.p99));
            let number = count(error.count as f64);
            vec![target.name.clone(), code.clone(), number, percent, took, error.example.clone()]
        };
        target.errors.iter().map(row).collect()
    };
    let rows: Vec<_> = report.targets.iter().flat_map(of_target).collect();
    if !rows.is_empty() {
        out.push_str("<h2>Errors</h2>\n");
        table(&["target", "code", "count", "of all", "p99", "the first"], &["code", "the first"], rows, out);
    }
}

fn environment(report: &Report, pace: &str, out: &mut String) {
    let (settings, here) = (&report.settings, &report.environment);
    out.push_str("<h2>Settings and environment</h2>\n<dl>\n");
    let mut lines = vec![
        ("Workload".to_owned(), report.workload.clone()),
        ("Clients".into(), format!("{}, {} on a connection", settings.clients, settings.per_connection)),
        ("Pace".into(), pace.to_owned()),
        (
            "Time".into(),
            format!("{} rounds of {} s after {} s of warm-up", settings.rounds, settings.duration, settings.warmup),
        ),
        ("Seed".into(), settings.seed.to_string()),
        (
            "Machine".into(),
            format!(
                "{} cores of {}, {}",
                here.cores,
                here.processor,
                mebibytes(here.memory as f64).replace(" MiB", " MiB of memory")
            ),
        ),
        ("System".into(), format!("{}, kernel {}", here.platform, here.kernel)),
    ];
    for target in &report.targets {
        let server = target.server.as_ref().map_or(String::new(), |version| format!(", {version}"));
        lines.push((format!("Target {}", target.name), format!("{}{server}", target.url)));
        let (tool, wakes) = (&target.tool, &target.tool.wakes);
        let text = format!(
            "{:.2} cores; timers woke {} late (median), {} (p99)",
            tool.cores,
            time(wakes.p50),
            time(wakes.p99)
        );
        lines.push((format!("Load tester under {}", target.name), text));
    }
    for (name, text) in lines {
        let _ = writeln!(out, "<dt>{}</dt><dd>{}</dd>", escape(&name), escape(&text));
    }
    out.push_str("</dl>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        assert_eq!(escape("<b a='1' c=\"2\">&</b>"), "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;&lt;/b&gt;");
        assert_eq!(date(0), "1970-01-01T00:00:00Z");
    }
}
