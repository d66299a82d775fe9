//! The leading master's time in office, and what it says of the cluster in it.
//!
//! Counters of a leader count since its election, so that those of two never mix and totals continue from one to the
//! next. Must not know: how masters are asked.

use super::super::events;
use super::super::kinds::MESOS_CLUSTER;
use super::super::numbers::{CLUSTER_COUNTS, CLUSTER_RESOURCES};
use super::super::process::Process;
use super::{Answer, Role, merged};
use crate::model::{AttributeValue, Attributes, EntityRecord, Event, Sample, TargetName, Timestamp};
use crate::source::Visit;

/// How far an election that is remembered from before a restart of the recorder may seem to have moved: the offset of a
/// wrong clock is known to the second.
const ELECTED_TOLERANCE_MS: i64 = 5_000;

/// Who leads, and since when its counters count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InOffice {
    pub(super) address: String,
    /// When it was elected, by its own clock: the name of this time in office. None where it is not told.
    pub(super) told: Option<Timestamp>,
    /// The same by ours, as first reckoned.
    pub(super) elected: Option<Timestamp>,
    pub(super) since: Option<Timestamp>,
}

impl InOffice {
    /// Whether the master that leads at `process` is this one, still in the same office. `last` is the last sample.
    fn is_held_by(&self, process: &Process, told: Option<Timestamp>, last: Option<Timestamp>) -> bool {
        let began = match (told, self.told) {
            (Some(told), Some(known)) => return self.address == process.address && told == known,
            (Some(told), None) => Some(process.ours(told)),
            // A master that does not tell is elected but once: it ends with its office.
            (None, _) => process.start,
        };
        let known = self.elected.map(|elected| elected.plus_ms(ELECTED_TOLERANCE_MS)).or(last);
        self.address == process.address && began.zip(known).is_none_or(|(began, known)| began <= known)
    }

    /// The last office that is known of a cluster from before a restart of the recorder.
    pub(super) fn recalled(cluster: &EntityRecord) -> Option<InOffice> {
        let attributes = &cluster.versions.last()?.attributes;
        let Some(AttributeValue::Text(address)) = attributes.get("leader") else { return None };
        let elected = match attributes.get("elected_at") {
            Some(AttributeValue::Time(elected)) => Some(*elected),
            _ => None,
        };
        Some(InOffice { address: address.clone(), told: None, elected, since: elected })
    }
}

/// What the leader's answer says of the cluster, and the event if it is a new leader.
#[expect(clippy::too_many_arguments, reason = "one hop of `observe`, which holds parts of the source borrowed")]
pub(super) fn lead(
    cluster: &str,
    office: &mut Option<InOffice>,
    cluster_at: Option<Timestamp>,
    process: &Process,
    answer: &mut Answer,
    at: Timestamp,
    visit: Visit,
    target: &TargetName,
) -> (Attributes, Sample, Option<Event>) {
    let told = match &answer.role {
        Role::Leader(told) => told.elected,
        Role::Standby { .. } | Role::Recovering => None,
    };
    let elected = told.map(|told| process.ours(told));
    let is_same = office.as_ref().is_some_and(|now| now.is_held_by(process, told, cluster_at));
    let mut changed = None;
    match office {
        Some(now) if is_same => {
            now.told = now.told.or(told);
            now.elected = now.elected.or(elected);
        }
        _ => {
            let before = office.take();
            // Counters of a new leader begin after the last of the old one, whatever clocks say.
            let after_old = cluster_at.filter(|_| before.is_some()).map(|last| last.plus_ms(1));
            let since = match (elected, after_old) {
                (Some(elected), Some(after_old)) => Some(elected.max(after_old)),
                (None, Some(after_old)) => Some(after_old),
                (elected, None) => elected.or(process.start),
            };
            // A clock that is ahead must not make the life of no length.
            let since = since.map(|since| since.min(at.plus_ms(-1)));
            if let Some(before) = &before {
                let (before, now) = (&before.address, &process.address);
                changed = Some(events::leader_changed(target, cluster, visit, before, now, elected));
            }
            *office = Some(InOffice { address: process.address.clone(), told, elected, since });
        }
    }
    let office = office.as_ref();
    let mut attributes = Attributes::from([("leader", process.address.as_str().into())]);
    if let Some(elected) = office.and_then(|office| office.elected) {
        attributes.insert("elected_at", elected.into());
    }
    if !answer.known.version.is_empty() {
        attributes.insert("version", answer.known.version.as_str().into());
    }
    let resources = answer.numbers.take(&MESOS_CLUSTER, CLUSTER_RESOURCES);
    let counts = answer.numbers.take(&MESOS_CLUSTER, CLUSTER_COUNTS);
    let values = merged(&resources, &counts);
    let since = office.and_then(|office| office.since);
    (attributes, Sample { at, since, values }, changed)
}
