//! Line charts in SVG.

use std::fmt::Write as _;

use super::escape;

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 26.0;
/// Points that tell their value under a pointer; of more, one in so many.
const SPOTS: usize = 200;

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// Evenly, from 0.
    Linear,
    /// By its logarithm.
    Log,
}

/// A line.
pub(super) struct Series {
    pub(super) name: String,
    /// Its colour and dashes, as a class of the page's style.
    pub(super) class: String,
    /// Parts between which there is no line.
    pub(super) parts: Vec<Vec<(f64, f64)>>,
}

pub(super) struct Chart<'a> {
    pub(super) title: &'a str,
    pub(super) about: &'a str,
    pub(super) scale: Scale,
    pub(super) series: Vec<Series>,
    /// What a value and a place are called.
    pub(super) value: &'a dyn Fn(f64) -> String,
    pub(super) place: &'a dyn Fn(f64) -> String,
    /// Places that are named below the chart; chosen evenly where there are none.
    pub(super) places: Vec<f64>,
    /// Places where something begins anew.
    pub(super) marks: Vec<f64>,
}

impl Chart<'_> {
    /// A figure with its legend, or nothing where there is nothing to show.
    pub(super) fn render(&self, out: &mut String) {
        let points = || self.series.iter().flat_map(|series| series.parts.iter().flatten());
        let most = points().map(|point| point.1).fold(0.0, f64::max);
        let end = points().map(|point| point.0).fold(0.0, f64::max);
        if most <= 0.0 || end <= 0.0 {
            return;
        }
        let least = points().map(|point| point.1).filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
        let ticks = match self.scale {
            Scale::Linear => even(0.0, most, 5),
            Scale::Log => decades(least, most),
        };
        let (low, high) = (ticks[0], ticks[ticks.len() - 1].max(most));
        let x = |place: f64| LEFT + place / end * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| {
            let share = match self.scale {
                Scale::Linear => value / high,
                Scale::Log => (value.max(low) / low).ln() / (high / low).ln(),
            };
            HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)
        };
        let _ = write!(
            out,
            "<figure><figcaption>{} <span>{}</span></figcaption>\n<div class=\"legend\">",
            escape(self.title),
            escape(self.about)
        );
        for series in &self.series {
            let _ = write!(
                out,
                "<span><svg viewBox=\"0 0 26 8\"><path class=\"series {}\" d=\"M1 4H25\"/></svg>{}</span>",
                series.class,
                escape(&series.name)
            );
        }
        let _ = writeln!(
            out,
            "</div>\n<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            escape(self.title)
        );
        for tick in &ticks {
            let at = y(*tick);
            let _ = writeln!(
                out,
                "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{}\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                at + 4.0,
                escape(&(self.value)(*tick))
            );
        }
        let places = if self.places.is_empty() { even(0.0, end, 6) } else { self.places.clone() };
        for place in places.into_iter().filter(|place| *place <= end * 1.001) {
            let _ = writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"{}\">{}</text>",
                x(place),
                HEIGHT - 8.0,
                if x(place) > WIDTH - RIGHT - 20.0 { "end" } else { "middle" },
                escape(&(self.place)(place))
            );
        }
        for mark in &self.marks {
            let _ = writeln!(out, "<path class=\"round\" d=\"M{:.1} {TOP}V{}\"/>", x(*mark), HEIGHT - BOTTOM);
        }
        for series in &self.series {
            self.draw(series, &x, &y, out);
        }
        out.push_str("</svg></figure>\n");
    }

    fn draw(&self, series: &Series, x: &dyn Fn(f64) -> f64, y: &dyn Fn(f64) -> f64, out: &mut String) {
        let mut path = String::new();
        for part in &series.parts {
            for (index, (place, value)) in part.iter().enumerate() {
                let _ = write!(path, "{}{:.1} {:.1}", if index == 0 { 'M' } else { 'L' }, x(*place), y(*value));
            }
            if let [(place, value)] = part[..] {
                // A line of one point cannot be seen.
                let _ = write!(
                    out,
                    "<circle class=\"dot {}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\"/>",
                    series.class,
                    x(place),
                    y(value)
                );
            }
        }
        let _ = writeln!(out, "<path class=\"series {}\" d=\"{path}\"/>", series.class);
        let all: Vec<_> = series.parts.iter().flatten().collect();
        for (place, value) in all.iter().step_by(all.len() / SPOTS + 1) {
            let _ = writeln!(
                out,
                "<circle class=\"spot\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"5\"><title>{}: {} at {}</title></circle>",
                x(*place),
                y(*value),
                escape(&series.name),
                escape(&(self.value)(*value)),
                escape(&(self.place)(*place))
            );
        }
    }
}

/// About so many round numbers from the first to the last.
fn even(from: f64, to: f64, about: u32) -> Vec<f64> {
    let rough = (to - from) / f64::from(about);
    let unit = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * unit).into_iter().find(|step| *step >= rough);
    let step = step.unwrap_or(rough);
    let count = ((to - from) / step - 1e-6).ceil() as u32;
    (0..=count).map(|number| from + step * f64::from(number)).collect()
}

/// 1, 2 and 5 of each power of ten, from the one below the least to the one above the most; without 2 and 5 where that is too many.
fn decades(least: f64, most: f64) -> Vec<f64> {
    let least = least.max(1.0);
    let (first, last) = (least.log10().floor() as i32, most.max(least).log10().floor() as i32);
    let factors: &[f64] = if last - first < 3 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let all = (first..=last + 1).flat_map(|power| factors.iter().map(move |factor| factor * 10_f64.powi(power)));
    let all: Vec<f64> = all.collect();
    let begin = all.iter().rposition(|tick| *tick <= least).unwrap_or(0);
    let end = all.iter().position(|tick| *tick >= most).unwrap_or(all.len() - 1).max(begin + 1);
    all[begin..=end].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_all() {
        assert_eq!(even(0.0, 10.0, 5), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(even(0.0, 43_000.0, 5), [0.0, 10_000.0, 20_000.0, 30_000.0, 40_000.0, 50_000.0]);
        assert_eq!(decades(130.0, 900.0), [100.0, 200.0, 500.0, 1_000.0]);
        assert_eq!(decades(120.0, 180_000.0), [100.0, 1_000.0, 10_000.0, 100_000.0, 1_000_000.0]);
        assert_eq!(decades(100.0, 100.0), [100.0, 200.0]);
        assert_eq!(decades(0.4, 0.5), [1.0, 2.0]);
    }
}
