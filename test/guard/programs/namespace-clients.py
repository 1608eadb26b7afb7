"""Holds COUNT connections to each of the addresses, from one network namespace, and prints those it loses.

usage: namespace-clients.py PORT COUNT ADDRESS...
Every third connection writes twice a second; a line "lost ADDRESS ERROR CLOCK" has the machine's monotonic clock."""
import errno, resource, selectors, socket, sys, time

_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
selector = selectors.DefaultSelector()
connections = {}
for address in sys.argv[3:]:
    for _ in range(int(sys.argv[2])):
        connection = socket.create_connection((address, int(sys.argv[1])))
        connection.setblocking(False)
        key = len(connections)
        connections[key] = (connection, address)
        selector.register(connection, selectors.EVENT_READ, key)
print("ready", flush=True)


def lost(key, why):
    connection, address = connections.pop(key)
    print(f"lost {address} {why} {time.monotonic():.3f}", flush=True)
    selector.unregister(connection)
    connection.close()


write_at = 0
while True:
    for event, _ in selector.select(0.1):
        try:
            if not connections[event.data][0].recv(4096):
                lost(event.data, "EOF")
        except BlockingIOError:
            pass
        except OSError as error:
            lost(event.data, errno.errorcode[error.errno])
    if time.monotonic() < write_at:
        continue
    write_at = time.monotonic() + 0.5
    for key in [key for key in connections if key % 3 == 0]:
        try:
            connections[key][0].send(b"data\n")
        except BlockingIOError:
            pass
        except OSError as error:
            lost(key, errno.errorcode[error.errno])
