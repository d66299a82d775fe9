//! What the capacity planner asks, answered from ordinary range requests.
//!
//! Must not know: how trends and room are computed, nor how they are printed.

use super::{AnswerError, Stop, range};
use crate::query::capacity::{Outlook, outlooks};
use crate::query::headroom::{self, Headroom};
use crate::query::request::{CapacityRequest, HeadroomRequest};
use crate::store::Store;

/// When each thing that is asked for will be full.
pub fn capacity(store: &Store, request: &CapacityRequest, stop: &Stop) -> Result<Vec<Outlook>, AnswerError> {
    let mut found = Vec::new();
    for (measure, question) in &request.questions {
        found.extend(outlooks(request, measure, &range(store, question, stop)?));
    }
    Ok(found)
}

/// How many more instances fit.
pub fn headroom(store: &Store, request: &HeadroomRequest, stop: &Stop) -> Result<Headroom, AnswerError> {
    Ok(headroom::headroom(request, &range(store, &request.question, stop)?))
}
