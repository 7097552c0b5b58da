//! The kinds of undo, each with the privileges that carrying it out may need: the one table of them.

use super::Undo;
use crate::privilege::{Privilege, Privileges};

macro_rules! kinds {
    ($($variant:ident: [$($privilege:ident),*]),+ $(,)?) => {
        /// The kinds of undo: one for each variant of [`Undo`], where they are explained.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "the variants of Undo say what each kind is")]
        pub enum UndoKind { $($variant),+ }

        impl UndoKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// What carrying it out may need beyond what is one's own: nothing of it is missed where all belongs to one user.
            #[must_use]
            pub const fn privileges(self) -> &'static [Privilege] {
                match self { $(Self::$variant => &[$(Privilege::$privilege),*]),+ }
            }
        }

        impl Undo {
            /// Which kind it is.
            #[must_use]
            pub const fn kind(&self) -> UndoKind {
                match self { $(Self::$variant { .. } => UndoKind::$variant),+ }
            }
        }
    };
}

kinds! {
    Nothing: [],
    Resume: [Kill],
    ResumeFamily: [Kill],
    RestoreGroup: [DacOverride],
    RemoveGroup: [DacOverride, SysNice],
    RestoreFileLimit: [SysResource],
    RestoreOomScore: [SysResource, DacOverride],
    RemoveFill: [DacOverride],
    Thaw: [SysAdmin, DacOverride],
    // A network is entered through a process that lives in it, which may have more privileges than we.
    RemoveTable: [NetAdmin, SysAdmin, SysPtrace],
    ForgetRedirected: [NetAdmin, SysAdmin, SysPtrace],
    RemoveQdisc: [NetAdmin, SysAdmin, SysPtrace],
    RemoveDevice: [NetAdmin, SysAdmin, SysPtrace],
    // The process is our own user's; its server may be reached by files: a socket, certificates, keys.
    EndHolder: [DacOverride],
    ResumeReplay: [DacOverride],
    EndPause: [DacOverride],
    EndLab: [Kill],
    // What a lab's servers wrote belongs to their users.
    RemoveFolder: [DacOverride, Fowner],
    All: [],
}

impl Undo {
    /// What carrying this one out may need.
    #[must_use]
    pub fn privileges(&self) -> Privileges {
        match self {
            // A process of our own, and nothing else.
            Self::EndHolder { session: None, .. } => Privileges::new(),
            Self::All { steps } => steps.iter().flat_map(Self::privileges).collect(),
            other => other.kind().privileges().iter().copied().collect(),
        }
    }
}

/// What an undo of any kind may need: what a guardian keeps, since it learns only later what it is to undo.
#[must_use]
pub fn any_undo() -> Privileges {
    UndoKind::ALL.iter().flat_map(|kind| kind.privileges()).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_need_what_each_of_them_needs() {
        let nothing = Undo::Nothing { because: "it ended".to_owned() };
        assert_eq!(nothing.privileges(), Privileges::new());
        let fill = Undo::RemoveFill { path: "/x/.deadstick-fill-1".into() };
        let both = Undo::All { steps: vec![nothing, Undo::All { steps: vec![fill] }] };
        assert_eq!(both.privileges(), Privileges::from([Privilege::DacOverride]));
        assert!(any_undo().is_superset(&both.privileges()));
    }

    #[test]
    fn no_undo_needs_what_would_open_the_whole_machine() {
        for needless in [Privilege::SetUid, Privilege::NetRaw, Privilege::NetBindService, Privilege::Chown] {
            assert!(!any_undo().contains(&needless), "{needless}");
        }
    }
}
