//! Ways between processes.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// A way to servers that can be cut: as a load balancer, it leads to each in turn, of those that answer.
///
/// While it is cut, nothing passes and nothing is closed, as where a cable is pulled: what was sent arrives when it is whole again.
pub struct Link {
    pub address: SocketAddr,
    pub is_open: watch::Sender<bool>,
    pub leads_to: Arc<Mutex<Vec<String>>>,
}

impl Link {
    pub async fn to(addresses: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let leads_to = Arc::new(Mutex::new(addresses));
        let (is_open, watched) = watch::channel(true);
        let there = Arc::clone(&leads_to);
        tokio::spawn(async move {
            for turn in 0.. {
                let (client, _) = listener.accept().await.unwrap();
                let (mut open, mut there) = (watched.clone(), there.lock().unwrap().clone());
                tokio::spawn(async move {
                    let count = there.len().max(1);
                    there.rotate_left(turn % count);
                    open.wait_for(|open| *open).await.unwrap();
                    for server in there {
                        let Ok(server) = TcpStream::connect(server).await else { continue };
                        let (from_client, to_client) = client.into_split();
                        let (from_server, to_server) = server.into_split();
                        let _ = tokio::join!(
                            pass(from_client, to_server, open.clone()),
                            pass(from_server, to_client, open)
                        );
                        break;
                    }
                });
            }
        });
        Self { address, is_open, leads_to }
    }

    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }
}

/// Passes on what comes, in one direction, whenever the way is open.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut open: watch::Receiver<bool>) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        // Its end is that of the test.
        let Ok(_) = open.wait_for(|open| *open).await else { return Ok(()) };
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
    }
}
