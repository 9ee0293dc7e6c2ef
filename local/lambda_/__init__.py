"""Lambda on this machine: what starts what, and which way an event takes.

    serverless-offline   (serverless_offline.py)  serves the API and Lambda's Invoke API
      └─ launcher        (launcher.py)            one for each instance: passes its events and answers on
           ⇅  a Unix socket for each function
    runtime              (runtime.py)             imports what all functions share
      └─ function        (runtime.py)             a fork for each function: imports the handler, listens on the socket
           └─ instance   (instance.py)            a fork for each launcher that connects: runs the handler

function_processes.py starts the runtime, and makes the `python3` by which serverless-offline starts a launcher. When
code changes, it starts the next runtime. Its sockets replace those of the one before, which ends after its instances.
debugging.py and api_gateway.py are what `npm start -- --debug` and `--api-key` add.
endpoint.py invokes a function by serverless-offline's Invoke API, for the stream mapping and the order page.
"""
