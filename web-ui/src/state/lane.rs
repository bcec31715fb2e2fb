//! Where a message lies that comes by itself: over nothing that can be pressed, and as near to the lower right corner as that allows.

/// A rectangle on the screen, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    /// Its left edge.
    pub left: f64,
    /// Its upper edge.
    pub top: f64,
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
}

/// How far it stays from the window's edges and from what can be pressed.
const APART: f64 = 8.0;
/// From one place that is tried to the next.
const STEP: f64 = 8.0;

impl Area {
    /// How much of another area, with the room around it, it lies over.
    fn over(self, other: Self) -> f64 {
        let share = |from: f64, to: f64| (to - from + APART).max(0.0);
        let wide = share(self.left.max(other.left), self.right().min(other.right()));
        let high = share(self.top.max(other.top), self.bottom().min(other.bottom()));
        wide * high
    }

    fn right(self) -> f64 {
        self.left + self.width
    }

    fn bottom(self) -> f64 {
        self.top + self.height
    }
}

/// Whether a message may stay where it lies: in the window, and over nothing.
pub fn may_stay(place: Area, window: (f64, f64), taken: &[Area]) -> bool {
    let inside = place.left >= 0.0
        && place.top >= 0.0
        && place.right() <= window.0
        && place.bottom() <= window.1;
    inside && taken.iter().all(|other| place.over(*other) == 0.0)
}

/// The place for a message of a size (width and height) in a window of a size. Where no place is free, it is the one that covers least.
pub fn free_place(size: (f64, f64), window: (f64, f64), taken: &[Area]) -> Area {
    let (right, lowest) = (window.0 - size.0 - APART, window.1 - size.1 - APART);
    let columns = [right, right / 2.0 + APART / 2.0, APART];
    let rows = (0..).map(|row| f64::from(row).mul_add(-STEP, lowest));
    let places = rows
        .take_while(|top| *top >= APART)
        .chain([lowest.max(APART)])
        .flat_map(|top| columns.map(|left| (left.max(APART), top)));
    let mut best = None;
    for (left, top) in places {
        let place = Area {
            left,
            top,
            width: size.0,
            height: size.1,
        };
        let covered: f64 = taken.iter().map(|other| place.over(*other)).sum();
        if covered == 0.0 {
            return place;
        }
        if best.is_none_or(|(least, _)| covered < least) {
            best = Some((covered, place));
        }
    }
    let (_, place) = best.expect("the lowest place is always tried");
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(left: f64, top: f64, width: f64, height: f64) -> Area {
        Area {
            left,
            top,
            width,
            height,
        }
    }

    #[test]
    fn a_message_lies_in_the_corner_unless_something_is_there() {
        let window = (1000.0, 600.0);
        let free = free_place((300.0, 50.0), window, &[]);
        assert_eq!((free.left, free.top), (692.0, 542.0));
        let button = area(900.0, 560.0, 80.0, 30.0);
        let beside = free_place((300.0, 50.0), window, &[button]);
        assert_eq!((beside.left, beside.top), (350.0, 542.0));
        let bar = area(0.0, 540.0, 1000.0, 60.0);
        let above = free_place((300.0, 50.0), window, &[bar]);
        assert!(
            above.bottom() + APART <= 540.0 && above.top > 400.0,
            "{above:?}"
        );
    }

    #[test]
    fn a_message_stays_while_it_may() {
        let window = (1000.0, 600.0);
        let place = area(350.0, 542.0, 300.0, 50.0);
        assert!(may_stay(place, window, &[area(900.0, 560.0, 80.0, 30.0)]));
        assert!(!may_stay(place, window, &[area(600.0, 560.0, 80.0, 30.0)]));
        let taller = Area {
            height: 100.0,
            ..place
        };
        assert!(!may_stay(taller, window, &[]));
    }

    #[test]
    fn a_full_window_is_covered_where_it_matters_least() {
        let window = (320.0, 300.0);
        let all = [area(0.0, 0.0, 320.0, 200.0), area(0.0, 290.0, 320.0, 10.0)];
        let place = free_place((304.0, 80.0), window, &all);
        assert!(place.top > 190.0, "{place:?}");
        let tall = free_place((304.0, 900.0), window, &[]);
        assert_eq!(tall.top, APART);
    }
}
