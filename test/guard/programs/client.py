# client.py ADDRESS PORT idle|writing
import socket
import sys
import time

address, port, what = sys.argv[1:]
s = socket.create_connection((address, int(port)))
try:
    if what == "idle":
        s.recv(1)
    while what == "writing":
        s.sendall(b"x" * 100)
        time.sleep(0.1)
except OSError as error:
    print(error, flush=True)
    sys.exit(7)
