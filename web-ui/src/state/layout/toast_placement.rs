//! Toast placement that avoids interactive elements: as near to the lower right corner as they
//! allow.

use super::area::ScreenArea;

/// The gap to the window's edges and to interactive elements, in pixels.
const GAP: f64 = 8.0;
/// The distance between two rows that are tried, in pixels.
const STEP: f64 = 8.0;

/// How much of `other`, with a gap around it, is covered by `area`, in square pixels.
fn covered(area: ScreenArea, other: ScreenArea) -> f64 {
    let overlap = |from: f64, to: f64| (to - from + GAP).max(0.0);
    let width = overlap(area.left.max(other.left), area.right().min(other.right()));
    let height = overlap(area.top.max(other.top), area.bottom().min(other.bottom()));
    width * height
}

/// Whether toasts at this place are inside the window and cover nothing.
pub fn is_free(place: ScreenArea, window: (f64, f64), occupied: &[ScreenArea]) -> bool {
    let inside = place.left >= 0.0
        && place.top >= 0.0
        && place.right() <= window.0
        && place.bottom() <= window.1;
    inside && occupied.iter().all(|other| covered(place, *other) == 0.0)
}

/// The place for toasts of a size (width and height) in a window of a size. If no place is free, it
/// is the one that covers least.
pub fn find_place(size: (f64, f64), window: (f64, f64), occupied: &[ScreenArea]) -> ScreenArea {
    let (right, lowest) = (window.0 - size.0 - GAP, window.1 - size.1 - GAP);
    let columns = [right, right / 2.0 + GAP / 2.0, GAP];
    let rows = (0..).map(|row| f64::from(row).mul_add(-STEP, lowest));
    let places = rows
        .take_while(|top| *top >= GAP)
        .chain([lowest.max(GAP)])
        .flat_map(|top| columns.map(|left| (left.max(GAP), top)));
    let mut best = None;
    for (left, top) in places {
        let place = ScreenArea {
            left,
            top,
            width: size.0,
            height: size.1,
        };
        let covering: f64 = occupied.iter().map(|other| covered(place, *other)).sum();
        if covering == 0.0 {
            return place;
        }
        if best.is_none_or(|(least, _)| covering < least) {
            best = Some((covering, place));
        }
    }
    let (_, place) = best.expect("the lowest place is always tried");
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(left: f64, top: f64, width: f64, height: f64) -> ScreenArea {
        ScreenArea {
            left,
            top,
            width,
            height,
        }
    }

    #[test]
    fn toasts_lie_in_the_corner_unless_it_is_occupied() {
        let window = (1000.0, 600.0);
        let free = find_place((300.0, 50.0), window, &[]);
        assert_eq!((free.left, free.top), (692.0, 542.0));
        let button = area(900.0, 560.0, 80.0, 30.0);
        let beside = find_place((300.0, 50.0), window, &[button]);
        assert_eq!((beside.left, beside.top), (350.0, 542.0));
        let bar = area(0.0, 540.0, 1000.0, 60.0);
        let above = find_place((300.0, 50.0), window, &[bar]);
        assert!(
            above.bottom() + GAP <= 540.0 && above.top > 400.0,
            "{above:?}"
        );
    }

    #[test]
    fn toasts_stay_while_their_place_is_free() {
        let window = (1000.0, 600.0);
        let place = area(350.0, 542.0, 300.0, 50.0);
        assert!(is_free(place, window, &[area(900.0, 560.0, 80.0, 30.0)]));
        assert!(!is_free(place, window, &[area(600.0, 560.0, 80.0, 30.0)]));
        let taller = ScreenArea {
            height: 100.0,
            ..place
        };
        assert!(!is_free(taller, window, &[]));
    }

    #[test]
    fn a_full_window_is_covered_where_the_least_is_hidden() {
        let window = (320.0, 300.0);
        let all = [area(0.0, 0.0, 320.0, 200.0), area(0.0, 290.0, 320.0, 10.0)];
        let place = find_place((304.0, 80.0), window, &all);
        assert!(place.top > 190.0, "{place:?}");
        let tall = find_place((304.0, 900.0), window, &[]);
        assert_eq!(tall.top, GAP);
    }
}
