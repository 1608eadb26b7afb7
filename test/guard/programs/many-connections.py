"""Holds a connection to each of the addresses, sets options on most of them, and prints those it loses.

usage: many-connections.py PORT ADDRESS...
A line "tell" on standard input makes it print the options of every connection as the kernel has them."""
import errno, json, selectors, socket, sys, time

KEEPALIVE, IDLE, INTERVAL, COUNT, USER_TIMEOUT, RTO_MAX = 9, 4, 5, 6, 18, 44
OWN = [
    {},
    {KEEPALIVE: 1, IDLE: 60, INTERVAL: 10, COUNT: 6},
    {KEEPALIVE: 1, IDLE: 2, INTERVAL: 1, COUNT: 120},
    {USER_TIMEOUT: 900000},
]
WRITERS = 7  # every seventh writes all the time
LEVEL = lambda option: socket.SOL_SOCKET if option == KEEPALIVE else socket.IPPROTO_TCP


def get(connection, option):
    try:
        return connection.getsockopt(LEVEL(option), option)
    except OSError:
        return None


selector = selectors.DefaultSelector()
connections = {}
for i, address in enumerate(sys.argv[2:]):
    connection = socket.create_connection((address, int(sys.argv[1])))
    for option, value in OWN[i % len(OWN)].items():
        connection.setsockopt(LEVEL(option), option, value)
    connection.setblocking(False)
    connections[i] = connection
    selector.register(connection, selectors.EVENT_READ, i)
selector.register(sys.stdin, selectors.EVENT_READ, "command")
print("ready", flush=True)


def lost(i, why):
    print(f"lost {i} {why} after {time.monotonic() - started:.1f}", flush=True)
    selector.unregister(connections[i])
    connections.pop(i).close()


started = time.monotonic()
while True:
    for key, _ in selector.select(0.3):
        if key.data == "command":
            if not sys.stdin.readline():
                sys.exit(0)
            options = (KEEPALIVE, IDLE, INTERVAL, COUNT, USER_TIMEOUT, RTO_MAX)
            print("told " + json.dumps({i: [get(c, o) for o in options] for i, c in connections.items()}), flush=True)
            continue
        try:
            if not connections[key.data].recv(4096):
                lost(key.data, "EOF")
        except OSError as error:
            lost(key.data, errno.errorcode[error.errno])
    for i in [i for i in connections if i % WRITERS == 0]:
        try:
            connections[i].send(b"data\n")
        except BlockingIOError:
            pass
        except OSError as error:
            lost(i, errno.errorcode[error.errno])
