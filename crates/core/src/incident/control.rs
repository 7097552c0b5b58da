//! Who commands: one holder, and three calls to hand over.
//!
//! Owns the fold of control events and the rules of its acts. An offer runs out by itself and never defaults to the
//! receiver; only the giver's third call moves control (design law 8). Taking control from a holder who is silent is not
//! offered yet.

use chrono::TimeDelta;

use crate::Timestamp;
use crate::event::{Actor, Body, Event};

use super::Refusal;

/// How long an offer stands before the second call.
const TO_ACCEPT: TimeDelta = TimeDelta::seconds(90);
/// How long an accepted offer stands before the third call.
const TO_TRANSFER: TimeDelta = TimeDelta::seconds(60);

/// Who commands, and who is about to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Control {
    pub(super) holder: Option<Actor>,
    /// Others who hold it too: two logs were merged. The next exchange settles it.
    pub(super) dual: Vec<Actor>,
    pub(super) offer: Option<Offer>,
}

/// Control on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) from: Actor,
    pub(super) to: Actor,
    pub(super) brief: String,
    pub(super) accepted: bool,
    pub(super) expires: Timestamp,
}

impl Control {
    /// Whether somebody holds control.
    pub(super) fn held_by(&self, actor: &Actor) -> bool {
        self.holder.as_ref() == Some(actor) || self.dual.contains(actor)
    }

    /// Folds one event; what does not fit the state changes nothing.
    pub(super) fn apply(&mut self, event: &Event) {
        match &event.body {
            Body::ControlAssumed => match &self.holder {
                None => self.holder = Some(event.by.clone()),
                Some(_) if self.held_by(&event.by) => {}
                Some(_) => self.dual.push(event.by.clone()),
            },
            Body::ControlOffered { to, brief } if self.held_by(&event.by) => {
                self.offer = Some(Offer {
                    from: event.by.clone(),
                    to: Actor::person(to),
                    brief: brief.clone(),
                    accepted: false,
                    expires: after(event.recorded, TO_ACCEPT),
                });
            }
            Body::ControlAccepted { .. } => {
                if let Some(offer) =
                    self.offer.as_mut().filter(|offer| offer.to == event.by && !offer.accepted)
                {
                    offer.accepted = true;
                    offer.expires = after(event.recorded, TO_TRANSFER);
                }
            }
            Body::ControlTransferred { .. } => {
                if let Some(offer) = self.offer.take_if(|offer| offer.accepted && offer.from == event.by) {
                    self.holder = Some(offer.to);
                    self.dual.clear();
                }
            }
            Body::ControlDeclined { .. } => {
                let tool = Actor::tool();
                self.offer.take_if(|offer| [&offer.from, &offer.to, &tool].contains(&&event.by));
            }
            _ => {}
        }
    }

    /// The first holder takes what nobody holds.
    pub(super) fn assume(&self) -> Result<Body, Refusal> {
        match &self.holder {
            None => Ok(Body::ControlAssumed),
            Some(holder) => Err(Refusal::AlreadyHeld { holder: holder.to_string() }),
        }
    }

    /// First call.
    pub(super) fn offer(&self, now: Timestamp, by: &Actor, to: &str, brief: String) -> Result<Body, Refusal> {
        self.holds(by)?;
        let to = Actor::person(to);
        if to.as_str().is_empty() {
            return Err(Refusal::Missing("receiver"));
        }
        if to == *by {
            return Err(Refusal::OfferToHolder(to.to_string()));
        }
        match self.standing(now) {
            Some(offer) => Err(Refusal::OfferPending(offer.to.to_string())),
            None => Ok(Body::ControlOffered { to: to.to_string(), brief }),
        }
    }

    /// Second call.
    pub(super) fn accept(&self, now: Timestamp, by: &Actor) -> Result<Body, Refusal> {
        match self.standing(now) {
            Some(offer) if offer.to == *by && !offer.accepted => {
                Ok(Body::ControlAccepted { from: offer.from.to_string() })
            }
            Some(offer) if offer.to == *by => {
                Err(Refusal::NoOffer("you have accepted already; wait for \"you have control\""))
            }
            Some(_) => Err(Refusal::NoOffer("control is offered to somebody else")),
            None => Err(Refusal::NoOffer("nobody offers control; the holder offers first")),
        }
    }

    /// Third call.
    pub(super) fn transfer(&self, now: Timestamp, by: &Actor) -> Result<Body, Refusal> {
        match self.standing(now) {
            Some(offer) if offer.from == *by && offer.accepted => {
                Ok(Body::ControlTransferred { to: offer.to.to_string() })
            }
            Some(offer) if offer.from == *by => {
                Err(Refusal::NoOffer("the receiver has not said \"I have control\" yet"))
            }
            Some(_) => Err(Refusal::NoOffer("only the giver makes the third call")),
            None => Err(Refusal::NoOffer("no offer stands; offer control first")),
        }
    }

    /// The receiver turns an offer down, or the giver takes it back.
    pub(super) fn decline(&self, now: Timestamp, by: &Actor, because: &str) -> Result<Body, Refusal> {
        match self.standing(now) {
            Some(offer) if offer.from == *by || offer.to == *by => {
                Ok(Body::ControlDeclined { because: crate::text::printable(because) })
            }
            Some(_) => Err(Refusal::NoOffer("only giver and receiver can decline the offer")),
            None => Err(Refusal::NoOffer("no offer stands")),
        }
    }

    /// The offer, unless its time is over.
    fn standing(&self, now: Timestamp) -> Option<&Offer> {
        self.offer.as_ref().filter(|offer| now < offer.expires)
    }

    /// Refuses those who do not hold control.
    pub(super) fn holds(&self, by: &Actor) -> Result<(), Refusal> {
        match &self.holder {
            _ if self.held_by(by) => Ok(()),
            None => Err(Refusal::NobodyInControl),
            Some(holder) => Err(Refusal::NotInControl { holder: holder.to_string() }),
        }
    }

    /// The end of an offer that nobody completed in time.
    pub(super) fn tick(&self, now: Timestamp) -> Option<Event> {
        let offer = self.offer.as_ref().filter(|offer| offer.expires <= now)?;
        let because = if offer.accepted {
            format!(
                "{} did not say \"you have control\" within 60 s; {} still has it",
                offer.from, offer.from
            )
        } else {
            format!("{} did not answer within 90 s; {} still has it", offer.to, offer.from)
        };
        let body = Body::ControlDeclined { because };
        Some(Event::at(offer.expires, now, Actor::tool(), body))
    }
}

/// A moment later by a span, at most the last that can be written.
pub(super) fn after(moment: Timestamp, span: TimeDelta) -> Timestamp {
    moment.checked_add_signed(span).unwrap_or(Timestamp::MAX_UTC)
}
