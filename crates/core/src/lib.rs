//! Vocabulary, models, parsing and the pure engines of deadstick.
