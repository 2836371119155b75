//! The sweep as a picture.

use std::{fmt::Write as _, ops::RangeInclusive};

use super::{
    lists::{Lists, Pair},
    sweep::{Way, mean},
};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
/// Room for the axes.
const MARGIN: f64 = 56.0;
const COLOURS: [&str; 7] = [
    "#888888", "#b07030", "#5588cc", "#7755bb", "#33a088", "#cc3344", "#dd9922",
];

/// Draws the mean over the collections for each way, by the weight of search by meaning in hundredths.
pub(super) fn draw(lists: &[Lists], weights: RangeInclusive<u32>) -> String {
    let all: Vec<&Lists> = lists.iter().collect();
    let lines: Vec<(Way, Vec<(f64, f64)>)> = Way::families()
        .into_iter()
        .map(|family| {
            let points = weights.clone().map(|at| {
                let rated = mean(&all, family.weighing(at), Pair::Whole);
                (f64::from(at) / 100.0, rated)
            });
            (family, points.collect())
        })
        .collect();
    let rated = || {
        lines
            .iter()
            .flat_map(|(_, points)| points.iter().map(|(_, y)| *y))
    };
    let low = (rated().fold(1.0, f64::min) * 100.0).floor() / 100.0;
    let high = (rated().fold(0.0, f64::max) * 100.0).ceil() / 100.0;
    let (first, last) = (
        f64::from(*weights.start()) / 100.0,
        f64::from(*weights.end()) / 100.0,
    );
    let x = |value: f64| MARGIN + (value - first) / (last - first) * (WIDTH - 2.0 * MARGIN);
    let y = |value: f64| HEIGHT - MARGIN - (value - low) / (high - low) * (HEIGHT - 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{MARGIN}\" y=\"20\" font-size=\"13\">mean nDCG@10 of hybrid search, by the weight of \
         search by meaning</text>\n"
    );
    let steps = ((high - low) * 100.0).round() as u32;
    for step in 0..=steps {
        let value = low + f64::from(step) / 100.0;
        let _ = writeln!(
            svg,
            "<line x1=\"{MARGIN}\" x2=\"{:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" stroke=\"#dddddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value:.2}</text>",
            WIDTH - MARGIN,
            y(value),
            y(value),
            MARGIN - 6.0,
            y(value) + 4.0,
        );
    }
    for at in weights.step_by(5) {
        let value = f64::from(at) / 100.0;
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{value:.2}</text>",
            x(value),
            HEIGHT - MARGIN + 16.0,
        );
    }
    for (at, ((way, points), colour)) in lines.iter().zip(COLOURS).enumerate() {
        let points: Vec<String> = points
            .iter()
            .map(|(weight, rated)| format!("{:.1},{:.1}", x(*weight), y(*rated)))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" points=\"{}\"/>",
            points.join(" "),
        );
        let name = match way {
            Way::Hybrid(it) => format!("trust {:.1}, spread {:.2}", it.trust, it.spread),
            Way::Ranks { .. } => "RRF".to_owned(),
            _ => "part of the best".to_owned(),
        };
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{name}</text>",
            WIDTH - MARGIN - 150.0,
            HEIGHT - MARGIN - 100.0 + 14.0 * at as f64,
        );
    }
    svg + "</svg>\n"
}
