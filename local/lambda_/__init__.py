"""Lambda on this machine: what starts what, and which way an event takes.

    serverless-offline   (serverless_offline.py)  serves the API and Lambda's Invoke API
      └─ launcher        (launcher.py)            one process per instance, started in place of Python
           │  a Unix socket per function
           ▼
    runtime              (runtime.py, started by function_processes.py)  imports what all functions share
      └─ function                                 a fork per function: imports its handler
           └─ instance                            a fork per launcher: handles one event at a time

endpoint.py invokes a function by serverless-offline's Invoke API: for the stream mapping and the order page.
"""
