//! Mail for occasion quota.

use super::super::Delivery;
use super::mail::Composed;
use super::office::Office;

pub(super) fn compose(_office: &Office, _delivery: &Delivery) -> Composed {
    Composed::Nothing("not built yet".into())
}
