//! A frame.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{LineGauge, Paragraph, Row, Sparkline, Table};
use tokio::time::Instant;

use super::screen::{Screen, TargetScreen};
use crate::report::{Percentiles, count, time};

/// As much of what is known as has room, most important first.
pub(super) fn draw(frame: &mut Frame<'_>, screen: &Screen) {
    let Some(target) = screen.targets.get(screen.index) else { return };
    let errors = target.errors.len().min(4) as u16;
    let errors = if errors > 0 { errors + 2 } else { 0 };
    let processes = target.processes.len() as u16 + 3;
    let others = if screen.targets.len() > 1 { screen.targets.len() as u16 + 2 } else { 0 };
    // The charts take what room is left, and give theirs up first.
    let charts = frame.area().height.saturating_sub(11 + processes + errors + others).clamp(2, 9);
    let [head, gauge, pace, _, charts, _, times, _, used, failed, compared, rest, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(charts),
        Constraint::Length(1),
        Constraint::Length(3),
        Constraint::Length(1),
        Constraint::Length(processes),
        Constraint::Length(errors),
        Constraint::Length(others),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .horizontal_margin(1)
    .areas(frame.area());
    let _ = rest;
    draw_head(frame, head, gauge, screen, target);
    frame.render_widget(pace_line(screen, target), pace);
    let [left, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).spacing(2).areas(charts);
    draw_chart(frame, left, "operations a second", &target.rates, Color::Cyan, |value| count(value as f64));
    draw_chart(frame, right, "p99", &target.p99s, Color::Yellow, time);
    draw_times(frame, times, target);
    draw_used(frame, used, target);
    draw_errors(frame, failed, target);
    draw_targets(frame, compared, screen);
    let keys_line = Line::from(" + - 10 %   * / twice, half   0 as fast as it goes   q end and report").dim();
    frame.render_widget(keys_line, keys);
}

fn draw_head(frame: &mut Frame<'_>, head: Rect, gauge: Rect, screen: &Screen, target: &TargetScreen) {
    let now = Instant::now();
    let (done, left) = screen.progress(now);
    let phase = match screen.measured {
        Some((from, _)) if now < from => ", warming up",
        _ => "",
    };
    let title = Line::from(vec![
        Span::from(screen.workload.clone()).bold(),
        Span::from(format!("  round {} of {}  ", screen.round, screen.rounds)),
        Span::from(target.name.clone()).bold().cyan(),
        Span::from(format!("{phase}  {} clients", count(screen.clients as f64))),
    ]);
    frame.render_widget(title, head);
    let seconds = left.as_secs_f64().ceil() as u64;
    let label = format!("{}:{:02} left", seconds / 60, seconds % 60);
    let bar = LineGauge::default().ratio(done.clamp(0.0, 1.0)).label(label).filled_symbol("━").unfilled_symbol("─");
    frame.render_widget(bar.filled_style(Style::new().cyan()).unfilled_style(Style::new().dark_gray()), gauge);
}

fn pace_line<'a>(screen: &Screen, target: &TargetScreen) -> Line<'a> {
    let achieved = target.last.as_ref().map_or(0.0, |last| last.rate());
    let mut spans = vec![Span::from(count(achieved.round())).bold(), Span::from(" a second of ")];
    spans.push(match screen.wanted {
        Some(rate) => Span::from(format!("{} wanted", count(rate))).bold(),
        None => Span::from("as many as it can"),
    });
    if target.late > 0 {
        spans.push(Span::from(format!("  {} late", count(target.late as f64))).yellow());
    }
    if !screen.message.is_empty() {
        spans.push(Span::from(format!("  {}", screen.message)).green());
    }
    Line::from(spans)
}

fn draw_chart(
    frame: &mut Frame<'_>,
    area: Rect,
    name: &str,
    series: &[u64],
    color: Color,
    write: impl Fn(u64) -> String,
) {
    let [title, chart] = Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(area);
    let shown = &series[series.len().saturating_sub(chart.width as usize)..];
    let most = shown.iter().copied().max().unwrap_or(0);
    let scale = if most > 0 { format!("  up to {}", write(most)) } else { String::new() };
    frame.render_widget(Line::from(vec![Span::from(name.to_owned()), Span::from(scale).dim()]), title);
    frame.render_widget(Sparkline::default().data(shown).style(Style::new().fg(color)), chart);
}

/// A table whose first column takes the room that there is, with titles above.
fn table<'a>(titles: Vec<&'a str>, rows: Vec<Vec<String>>) -> Table<'a> {
    let columns = titles.len();
    let right = |text: String| Line::from(text).right_aligned();
    let header = titles.into_iter().enumerate().map(|(index, title)| match index {
        0 => Line::from(title),
        _ => right(title.to_owned()),
    });
    let rows = rows.into_iter().map(|cells| {
        Row::new(cells.into_iter().enumerate().map(|(index, cell)| match index {
            0 => Line::from(cell),
            _ => right(cell),
        }))
    });
    let mut widths = vec![Constraint::Length(14)];
    widths.resize(columns, Constraint::Length(9));
    Table::new(rows.collect::<Vec<_>>(), widths).header(Row::new(header.collect::<Vec<_>>()).dim())
}

fn draw_times(frame: &mut Frame<'_>, area: Rect, target: &TargetScreen) {
    let row = |name: &str, times: Option<Percentiles>| {
        let figures = times.map(|times| [times.p50, times.p90, times.p95, times.p99, times.p999, times.max].map(time));
        let mut cells = vec![name.to_owned()];
        cells.extend(figures.unwrap_or_else(|| std::array::from_fn(|_| "-".to_owned())));
        cells
    };
    let rows = vec![row("last second", target.recent), row("so far", Percentiles::of(&target.latency))];
    frame.render_widget(table(vec!["latency", "p50", "p90", "p95", "p99", "p99.9", "max"], rows), area);
}

fn draw_used(frame: &mut Frame<'_>, area: Rect, target: &TargetScreen) {
    let Some(last) = &target.last else { return };
    let length = last.length.as_secs_f64();
    let mut rows: Vec<Vec<String>> = target
        .processes
        .iter()
        .zip(&last.usage)
        .map(|(name, usage)| match usage {
            Some(usage) => {
                let cpu = usage.cpu.as_secs_f64();
                let each = cpu * 1e6 / last.statements.max(1) as f64;
                vec![name.clone(), format!("{:.2}", cpu / length), format!("{each:.1}"), memory(usage.memory)]
            }
            None => vec![name.clone(), "-".into(), "-".into(), "gone".into()],
        })
        .collect();
    let own = last.own.cpu.as_secs_f64() / length;
    rows.push(vec!["load tester".into(), format!("{own:.2}"), String::new(), memory(last.own.memory)]);
    frame.render_widget(table(vec!["process", "cores", "us/stmt", "memory"], rows), area);
}

fn memory(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn draw_errors(frame: &mut Frame<'_>, area: Rect, target: &TargetScreen) {
    let tried = (target.done + target.failed()).max(1) as f64;
    let mut kinds: Vec<_> = target.errors.iter().collect();
    kinds.sort_by_key(|(_, errors)| std::cmp::Reverse(errors.count));
    let mut lines = vec![Line::from(format!("{} errors", count(target.failed() as f64))).red()];
    let shown = usize::from(area.height.saturating_sub(2));
    lines.extend(kinds.iter().take(shown).map(|(code, errors)| {
        let share = errors.count as f64 * 100.0 / tried;
        Line::from(format!("{:>9} {share:>6.2} %  {code}: {}", count(errors.count as f64), errors.example))
    }));
    frame.render_widget(Paragraph::new(lines), area);
}

/// All targets so far, against the first.
fn draw_targets(frame: &mut Frame<'_>, area: Rect, screen: &Screen) {
    let first = screen.targets.first().and_then(TargetScreen::rate);
    let rows = screen.targets.iter().filter(|target| !target.name.is_empty()).map(|target| {
        let rate = target.rate();
        let ratio = match (rate, first) {
            (Some(rate), Some(first)) if first > 0.0 => format!("{:.2}", rate / first),
            _ => "-".into(),
        };
        let p99 = Percentiles::of(&target.latency).map_or("-".into(), |times| time(times.p99));
        vec![target.name.clone(), rate.map_or("-".into(), |rate| count(rate.round())), ratio, p99]
    });
    frame.render_widget(table(vec!["so far", "a second", "ratio", "p99"], rows.collect()), area);
}

#[cfg(test)]
mod tests;
