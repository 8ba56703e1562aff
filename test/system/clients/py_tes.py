"""Uses py-tes as its users do and prints what it saw as JSON: py_tes.py URL DIRECTORY IMAGE LOGIN, the last a JSON object."""
import json
import sys
import time

import tes

url, directory, image, login = sys.argv[1:5]
client = tes.HTTPClient(url, timeout=10, **json.loads(login))
seen = {}

info = client.get_service_info()
seen["service_name"] = info.name

task = tes.Task(
    name="count lines",
    tags={"project": "py-tes", "empty": ""},
    inputs=[
        tes.Input(url="file://%s/in.txt" % directory, path="/data/in.txt", type="FILE"),
        tes.Input(content="héllo\n", path="/data/hello.txt", type="FILE"),
    ],
    outputs=[
        tes.Output(url="file://%s/out.txt" % directory, path="/data/out.txt", type="FILE"),
        tes.Output(url="file://%s/tree" % directory, path="/data/tree", type="DIRECTORY"),
    ],
    resources=tes.Resources(cpu_cores=1, ram_gb=0.5),
    volumes=["/vol"],
    executors=[
        tes.Executor(image=image, command=["sh", "-c", "cat in.txt hello.txt > /vol/both; echo $GREETING >&2"], workdir="/data", env={"GREETING": "good day"}),
        tes.Executor(image=image, command=["sh", "-c", "mkdir -p /data/tree/sub && cp /vol/both /data/tree/sub/both && wc -l < /vol/both"], stdout="/data/out.txt"),
    ],
)
task_id = client.create_task(task)
seen["wait_state"] = client.wait(task_id, timeout=60).state
full = client.get_task(task_id, "FULL")
seen["state"] = full.state
seen["exit_codes"] = [log.exit_code for log in full.logs[-1].logs]
seen["stderr"] = full.logs[-1].logs[0].stderr
seen["stdout"] = full.logs[-1].logs[1].stdout
seen["outputs"] = sorted(output.path for output in full.logs[-1].outputs)
seen["tags"] = full.tags
seen["created"] = full.creation_time.tzinfo is not None
seen["content_in_full"] = [i.content for i in full.inputs]
seen["content_in_basic"] = [i.content for i in client.get_task(task_id, "BASIC").inputs]
seen["minimal_executors"] = client.get_task(task_id, "MINIMAL").executors

failing = client.create_task(tes.Task(executors=[tes.Executor(image=image, command=["sh", "-c", "exit 3"])]))
seen["failed_state"] = client.wait(failing, timeout=60).state
seen["failed_exit_code"] = client.get_task(failing, "FULL").logs[-1].logs[-1].exit_code

long = client.create_task(tes.Task(name="long", executors=[tes.Executor(image=image, command=["sleep", "600"])]))
client.cancel_task(long)
client.cancel_task(long)
end = time.time() + 60
state = None
while state != "CANCELED" and time.time() < end:
    try:
        state = client.get_task(long, "MINIMAL").state
    except Exception:  # py-tes 0.4.2 does not know CANCELING
        pass
    time.sleep(0.2)
seen["canceled_state"] = state

ids = []
token = None
while True:
    page = client.list_tasks(view="BASIC", page_size=2, page_token=token)
    ids += [t.id for t in page.tasks]
    token = page.next_page_token
    if not token:
        break
seen["listed_newest_first"] = ids == [long, failing, task_id]

try:
    client.get_task("no-such-task")
except Exception as error:
    seen["unknown"] = error.response.status_code
try:
    client.create_task(tes.Task(executors=[tes.Executor(image="$(touch /x)", command=["true"])]))
except Exception as error:
    seen["refused"] = error.response.status_code

print(json.dumps(seen))
