//! Reads which media types a client accepts (RFC 9110, section 12.5.1), to choose between one JSON
//! response and a stream of events.

use axum::http::{HeaderMap, header};

/// How precisely a media range of the header matches; the most precise match decides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Precision {
    Anything,
    Family,
    Exact,
}

/// Whether the client prefers a stream of events to one JSON response: the event stream is named
/// without `q=0`, and JSON is absent or has a lower weight. Clients that weigh both equally, such
/// as MCP clients, get JSON.
pub fn prefers_events(headers: &HeaderMap) -> bool {
    let events = weight(headers, "text", "event-stream");
    let json = weight(headers, "application", "json");
    match (events, json) {
        (Some((Precision::Exact, events)), json) if events > 0 => match json {
            Some((Precision::Anything, json)) => events >= json,
            Some((_, json)) => events > json,
            None => true,
        },
        _ => false,
    }
}

/// The weight of a media type in thousandths, by the most precise range that matches it.
fn weight(headers: &HeaderMap, family: &str, subtype: &str) -> Option<(Precision, u32)> {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let (range_family, range_subtype) = parts.next()?.split_once('/')?;
            let precision = match (range_family, range_subtype) {
                ("*", "*") => Precision::Anything,
                (found, "*") if found.eq_ignore_ascii_case(family) => Precision::Family,
                (found, other)
                    if found.eq_ignore_ascii_case(family)
                        && other.eq_ignore_ascii_case(subtype) =>
                {
                    Precision::Exact
                }
                _ => return None,
            };
            Some((precision, quality(parts)))
        })
        // Of two equally precise ranges the first counts.
        .reduce(|best, found| if found.0 > best.0 { found } else { best })
}

/// The parameter `q` in thousandths; an invalid one counts as absent.
fn quality<'a>(parameters: impl Iterator<Item = &'a str>) -> u32 {
    const WHOLE: u32 = 1000;
    parameters
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
        .and_then(|(_, value)| value.trim().parse::<f64>().ok())
        .filter(|q| (0.0..=1.0).contains(q))
        .map_or(WHOLE, |q| (q * f64::from(WHOLE)).round() as u32)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn prefers(values: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::ACCEPT, HeaderValue::from_static(value));
        }
        prefers_events(&headers)
    }

    #[test]
    fn clients_that_prefer_events_get_a_stream() {
        for accepted in [
            &["text/event-stream"][..],
            &["Text/Event-Stream; charset=utf-8"],
            &["text/event-stream, */*"],
            &["text/event-stream, application/json;q=0.9"],
            &["application/json; q=0.5, text/event-stream;q=0.6"],
            &["application/json;q=0.1", "text/event-stream"],
            &["application/json;q=0, text/event-stream;q=0.1"],
            &["text/html, text/event-stream"],
        ] {
            assert!(prefers(accepted), "{accepted:?}");
        }
    }

    #[test]
    fn all_other_clients_get_json() {
        for accepted in [
            &[][..],
            &[""],
            &["*/*"],
            &["text/*"],
            &["application/json"],
            // The header of MCP clients, in either order.
            &["application/json, text/event-stream"],
            &["text/event-stream, application/json"],
            &["application/*, text/event-stream"],
            &["text/event-stream;q=0"],
            &["text/event-stream;q=0.0, */*"],
            &["text/event-stream;q=0.5, */*"],
            &["text/event-stream;q=0.5, application/json;q=0.6"],
            &["x-text/event-stream-of-mine"],
            &["application/json;profile=\"text/event-stream\""],
        ] {
            assert!(!prefers(accepted), "{accepted:?}");
        }
    }

    #[test]
    fn an_invalid_weight_is_ignored() {
        assert!(prefers(&["text/event-stream;q=high"]));
        assert!(!prefers(&["text/event-stream;q=-1, application/json"]));
        assert!(prefers(&["text/event-stream;q=NaN"]));
    }
}
