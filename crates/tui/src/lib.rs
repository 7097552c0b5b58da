//! The responder's screen of deadstick: model, update, view.
