//! What arrives on the socket: any bytes are a message or an error, and a message is
//! the same when it is sent on.
#![no_main]

use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zccache_core::protocol::frame::{self, HEADER, Header};
use zccache_core::protocol::{Reply, Request};
use zccache_core::{codec, limits};

fuzz_target!(|bytes: &[u8]| {
    let Some((header, payload)) = bytes.split_first_chunk::<HEADER>() else { return };
    if let Ok(header) = Header::parse(header) {
        assert!(header.length <= limits::FRAME_BYTES);
    }
    goes_on_as_it_came::<Request>(payload);
    goes_on_as_it_came::<Reply>(payload);
});

fn goes_on_as_it_came<T: Serialize + DeserializeOwned + PartialEq + Debug>(payload: &[u8]) {
    let Ok(message) = frame::decode::<T>(payload) else { return };
    match codec::encode(&message).map(|bytes| codec::decode::<T>(&bytes)) {
        Ok(Ok(again)) => assert!(is_same(&again, &message), "{again:?} was {message:?}"),
        other => unreachable!("{message:?} cannot be sent on: {other:?}"),
    }
}

/// As bytes where not as values: a number that is none does not equal itself.
fn is_same<T: Serialize + PartialEq>(one: &T, other: &T) -> bool {
    one == other || codec::encode(one).ok() == codec::encode(other).ok()
}
