//! What the daemon's code takes for the types of std and tokio.

pub(crate) use std::sync::PoisonError;

pub(crate) use loom::sync::{Arc, Mutex};

/// As much of `tokio::sync::watch` as is used: a sender whose end is waited for.
pub(crate) mod watch {
    use std::future::poll_fn;
    use std::task::{Poll, Waker};

    use loom::sync::{Arc, Mutex};

    #[derive(Default)]
    struct Shared {
        closed: bool,
        receivers: usize,
        wakers: Vec<Waker>,
    }

    pub(crate) struct Sender<T>(Arc<Mutex<Shared>>, T);

    pub(crate) struct Receiver<T>(Arc<Mutex<Shared>>, T);

    pub(crate) fn channel<T: Copy>(value: T) -> (Sender<T>, Receiver<T>) {
        let shared = Arc::new(Mutex::new(Shared { receivers: 1, ..Shared::default() }));
        (Sender(Arc::clone(&shared), value), Receiver(shared, value))
    }

    impl<T> Sender<T> {
        pub(crate) fn receiver_count(&self) -> usize {
            self.0.lock().unwrap().receivers
        }
    }

    impl<T> Drop for Sender<T> {
        fn drop(&mut self) {
            let mut shared = self.0.lock().unwrap();
            shared.closed = true;
            let wakers = std::mem::take(&mut shared.wakers);
            drop(shared);
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    impl<T> Receiver<T> {
        /// Fails once the sender is gone, and not before: nothing is ever sent.
        pub(crate) fn has_changed(&self) -> Result<bool, ()> {
            if self.0.lock().unwrap().closed { Err(()) } else { Ok(false) }
        }

        /// Waits until the sender is gone.
        pub(crate) async fn changed(&mut self) -> Result<(), ()> {
            poll_fn(|context| {
                let mut shared = self.0.lock().unwrap();
                if shared.closed {
                    return Poll::Ready(Err(()));
                }
                shared.wakers.push(context.waker().clone());
                Poll::Pending
            })
            .await
        }
    }

    impl<T: Copy> Clone for Receiver<T> {
        fn clone(&self) -> Self {
            self.0.lock().unwrap().receivers += 1;
            Self(Arc::clone(&self.0), self.1)
        }
    }

    impl<T> Drop for Receiver<T> {
        fn drop(&mut self) {
            self.0.lock().unwrap().receivers -= 1;
        }
    }
}
