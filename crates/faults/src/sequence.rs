//! In which order things are undone.
//!
//! Faults of one target last first, faults of different targets at the same time; then what is no fault (labs, folders),
//! last first. One that is stuck holds up only its own target.

use futures_util::future::join_all;

/// One thing to undo.
pub(crate) struct Item<T> {
    /// Whose it is: what shares this is undone one after the other.
    pub(crate) chain: String,
    /// Whether it is a fault.
    pub(crate) is_fault: bool,
    /// The thing.
    pub(crate) value: T,
}

/// Runs the undo of each, given in the order they were applied.
pub(crate) async fn run<T, R, F: Future<Output = R>>(items: Vec<Item<T>>, undo: impl Fn(T) -> F) -> Vec<R> {
    let mut chains: Vec<(String, Vec<T>)> = Vec::new();
    let mut rest = Vec::new();
    for item in items.into_iter().rev() {
        if !item.is_fault {
            rest.push(item.value);
        } else if let Some((_, chain)) = chains.iter_mut().find(|(name, _)| *name == item.chain) {
            chain.push(item.value);
        } else {
            chains.push((item.chain, vec![item.value]));
        }
    }
    let undo = &undo;
    let one_after_the_other = |values: Vec<T>| async move {
        let mut results = Vec::new();
        for value in values {
            results.push(undo(value).await);
        }
        results
    };
    let mut results: Vec<R> = join_all(chains.into_iter().map(|(_, values)| one_after_the_other(values)))
        .await
        .into_iter()
        .flatten()
        .collect();
    results.extend(one_after_the_other(rest).await);
    results
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[tokio::test]
    async fn last_in_first_out_and_labs_at_the_end() {
        let order = RefCell::new(Vec::new());
        let item = |chain: &str, is_fault, value| Item { chain: chain.to_owned(), is_fault, value };
        let items = vec![
            item("lab", false, 1),
            item("a", true, 2),
            item("b", true, 3),
            item("a", true, 4),
            item("lab", false, 5),
        ];
        run(items, |value| {
            let order = &order;
            async move {
                // Gives the other chains their turn.
                tokio::task::yield_now().await;
                order.borrow_mut().push(value);
            }
        })
        .await;
        let order = order.into_inner();
        let place = |value| order.iter().position(|found| *found == value).expect("every one is undone");
        assert!(place(4) < place(2), "{order:?}");
        assert_eq!(&order[3..], [5, 1], "{order:?}");
    }
}
