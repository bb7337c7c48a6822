//! What several parts of the page are made of.

use std::fmt::Write;

use chrono::TimeDelta;
use maud::{Markup, html};

use crate::insights::{Ranking, Row, Span};

/// The height of a sparkline, in its own units; a minute is one wide.
const HEIGHT: u64 = 16;

/// A number with a comma between thousands.
pub(super) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A duration in its two largest units.
pub(super) fn duration(delta: TimeDelta) -> String {
    let secs = delta.num_seconds().max(0);
    match (secs / 86_400, secs / 3_600 % 24, secs / 60 % 60, secs % 60) {
        (0, 0, 0, secs) => format!("{secs} s"),
        (0, 0, mins, _) => format!("{mins} min"),
        (0, hours, mins, _) => format!("{hours} h {mins} min"),
        (days, hours, ..) => format!("{days} d {hours} h"),
    }
}

/// A number with what it counts, such as `1 user` and `2 users`.
pub(super) fn counted(n: u64, one: &str) -> String {
    format!("{} {one}{}", number(n), if n == 1 { "" } else { "s" })
}

/// Counts of the last minutes, the oldest first, as a small picture with a line for each minute.
pub(super) fn sparkline(minutes: &[u32]) -> Markup {
    let most = u64::from(minutes.iter().copied().max().unwrap_or_default());
    let mut path = String::new();
    for (at, count) in minutes.iter().copied().enumerate().filter(|(_, count)| *count > 0) {
        // At least a tenth of a line, so that a single event beside thousands is seen.
        let height = (u64::from(count) * HEIGHT * 10).div_ceil(most.max(1)).max(10);
        let _ = write!(path, "M{at}.5 {HEIGHT}v-{}.{}", height / 10, height % 10);
    }
    // The last minute is not over yet.
    let last = minutes.iter().rev().nth(1).copied().unwrap_or_default();
    let told = format!("{last} events in the last full minute, {most} at most in one of the last {}", minutes.len());
    html! {
        svg.spark role="img" aria-label=(told) viewBox={ "0 0 " (minutes.len()) " " (HEIGHT) } preserveAspectRatio="none" {
            title { (told) }
            path d=(path) {}
        }
        span.rate { (number(last.into())) }
    }
}

/// A line of numbers that matter most.
pub(super) fn figures(figures: &[(&str, String)]) -> Markup {
    html! {
        dl.figures {
            @for (name, value) in figures {
                div { dt { (name) } dd { (value) } }
            }
        }
    }
}

/// What a dashboard covers.
pub(super) fn span(span: Span) -> Markup {
    html! {
        p.note {
            "Events of the time since " (span.since.format("%Y-%m-%d %H:%M")) " UTC (the current hour and the 23 before it), counted when \
             they were delivered, since the start of the program."
            @if span.older > 0 {
                " " (counted(span.older, "event")) " that came later than that " (if span.older == 1 { "is" } else { "are" }) " left out."
            }
        }
    }
}

/// The most frequent texts, with columns of counts.
pub(super) fn ranking<const N: usize>(
    caption: &str,
    text_head: &str,
    heads: [&str; N],
    ranking: &Ranking<N>,
    more: Option<(&str, &[u64])>,
) -> Markup {
    let most = ranking.rows.iter().map(Row::total).max().unwrap_or_default().max(1);
    html! {
        section {
            table {
                caption { (caption) }
                thead {
                    tr {
                        th scope="col" { (text_head) }
                        @for head in heads { th.n scope="col" { (head) } }
                        @if let Some((head, _)) = more { th.n scope="col" { (head) } }
                    }
                }
                tbody {
                    @for (at, row) in ranking.rows.iter().enumerate() {
                        tr {
                            th.text scope="row" title=(row.text) {
                                span { (row.text) }
                                svg.bar aria-hidden="true" viewBox="0 0 100 1" preserveAspectRatio="none" {
                                    rect width=(row.total() * 100 / most) height="1" {}
                                }
                            }
                            @if N == 1 {
                                td.n { (between(row)) }
                            } @else {
                                @for count in row.columns {
                                    td.n.zero[count == 0] { (number(count)) }
                                }
                            }
                            @if let Some((_, others)) = more {
                                @let other = others.get(at).copied().unwrap_or_default();
                                td.n.zero[other == 0] { (number(other)) }
                            }
                        }
                    }
                    @if ranking.rows.is_empty() {
                        tr { td.none colspan=(N + 1 + usize::from(more.is_some())) { "None" } }
                    }
                }
            }
        }
    }
}

/// A count, and up to how many it may be.
fn between<const N: usize>(row: &Row<N>) -> String {
    let least = row.total();
    if row.missed == 0 { number(least) } else { format!("{}–{}", number(least), number(least + row.missed)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_durations_are_short() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(number(n), text);
        }
        for (secs, text) in [(-5, "0 s"), (59, "59 s"), (60, "1 min"), (7_260, "2 h 1 min"), (90_000, "1 d 1 h")] {
            assert_eq!(duration(TimeDelta::seconds(secs)), text);
        }
    }

    #[test]
    fn a_sparkline_is_read_aloud_and_drawn() {
        let svg = sparkline(&[0, 10, 100, 7]).into_string();
        assert!(svg.contains("100 events in the last full minute, 100 at most in one of the last 4"), "{svg}");
        assert!(svg.contains(r#"d="M1.5 16v-1.6M2.5 16v-16.0M3.5 16v-1.2""#), "{svg}");
    }
}
