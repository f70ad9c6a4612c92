//! What the property tests of both forms share: any notification that Cyrus could send.

use proptest::prelude::*;

use super::Notification;

/// Bytes without NUL, with those that the forms treat apart often among them.
fn field() -> impl Strategy<Value = Vec<u8>> {
    let odd = prop::sample::select(b"\"\\%{}()* \r\n\x01\x1f\x7f\x80\xffNIL".to_vec());
    prop_oneof![
        Just(Vec::new()),
        Just(b"NIL".to_vec()),
        prop::collection::vec(1u8..=255, 0..30),
        prop::collection::vec(odd, 0..30),
        prop::collection::vec(Just(b'a'), 1020..1028),
    ]
}

/// A notification with any content in each field.
pub(super) fn notification() -> impl Strategy<Value = Notification> {
    let fields = (field(), field(), field(), field(), field());
    let rest = (
        prop::collection::vec(field(), 0..5),
        field(),
        prop::option::of(field()),
    );
    (fields, rest).prop_map(
        |((method, class, priority, user, mailbox), (options, message, fname))| Notification {
            method,
            class,
            priority,
            user,
            mailbox,
            options,
            message,
            fname,
        },
    )
}
