use zccache_core::Identity;

/// What the kernel was told of a lower object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    /// Which, and in which state.
    pub(super) identity: Identity,
    /// Whether this view may have changed the object since, or while the kernel was
    /// told. Then a difference need not be the work of others.
    pub(super) ours: bool,
}

impl Told {
    /// Tells what is the case `now`.
    pub(super) fn replace(&mut self, now: Self) -> Difference {
        if self.identity == now.identity {
            return Difference::None;
        }
        match std::mem::replace(self, now).ours {
            true => Difference::ByAnyone,
            false => Difference::ByOthers,
        }
    }
}

/// How a lower object differs from what the kernel was told of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Difference {
    /// In nothing, or the kernel knows.
    None,
    /// This view or others changed it.
    ByAnyone,
    /// Others changed it.
    ByOthers,
}
