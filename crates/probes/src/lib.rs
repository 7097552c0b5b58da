//! Probes with three answers, and the open-loop load of deadstick.
