//! The methods as the settings make them: one instance of each kind.

use crate::method::{Context, METHODS, Method};
use std::sync::Arc;

/// One instance of each of [`METHODS`], in their order.
pub struct Instances(Vec<Arc<dyn Method>>);

impl Instances {
    /// Builds them all.
    pub fn build(context: &Context<'_>) -> Instances {
        Instances(
            METHODS
                .iter()
                .map(|kind| Arc::from((kind.build)(context)))
                .collect(),
        )
    }

    /// One instance in all places.
    #[cfg(test)]
    pub(super) fn all(method: Arc<dyn Method>) -> Instances {
        Instances(METHODS.iter().map(|_| method.clone()).collect())
    }

    /// The instance of the kind at this place in [`METHODS`].
    pub fn get(&self, place: usize) -> &Arc<dyn Method> {
        &self.0[place]
    }
}
