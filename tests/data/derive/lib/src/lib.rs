use macros::Hello;
use serde::{Deserialize, Serialize};

include!(concat!(env!("OUT_DIR"), "/gen.rs"));

pub const TEXT: &str = include_str!("data.txt");

#[derive(Serialize, Deserialize, Debug, PartialEq, Hello)]
pub struct Point {
    pub x: i32,
    pub y: Option<String>,
}

pub fn point(text: &str) -> Result<Point, serde_json::Error> {
    serde_json::from_str(text)
}

pub fn variables() -> (&'static str, &'static str) {
    (env!("GIVEN"), env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_read() {
        assert_eq!(point("{\"x\":1,\"y\":null}").unwrap(), Point { x: 1, y: None });
        assert_eq!(Point::hello(), "Point");
    }
}
