"""M/M/c as a user of each library would write it: one producer, c servers, a record per message.

Arrival rate 0.8 c, service rate 1. Each function runs until n messages have left and returns
(number, created, started, finished) of each, or what the library keeps itself.
"""

import random

import ciw
import numpy as np
import salabim
import simpy


def simpy_store(n, servers=1, seed=1):
    env = simpy.Environment()
    store = simpy.Store(env)
    rng = random.Random(seed)
    record = []

    def produce():
        for number in range(n):
            yield env.timeout(rng.expovariate(0.8 * servers))
            yield store.put((number, env.now))

    def consume():
        while True:
            number, created = yield store.get()
            started = env.now
            yield env.timeout(rng.expovariate(1.0))
            record.append((number, created, started, env.now))

    env.process(produce())
    for _ in range(servers):
        env.process(consume())
    env.run()
    return record


def simpy_resource(n, servers=1, seed=1):
    env = simpy.Environment()
    server = simpy.Resource(env, capacity=servers)
    rng = random.Random(seed)
    record = []

    def message(number):
        created = env.now
        with server.request() as request:
            yield request
            started = env.now
            yield env.timeout(rng.expovariate(1.0))
        record.append((number, created, started, env.now))

    def arrive():
        for number in range(n):
            yield env.timeout(rng.expovariate(0.8 * servers))
            env.process(message(number))

    env.process(arrive())
    env.run()
    return record


def ciw_network(n, servers=1, seed=1):
    ciw.seed(seed)
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rate=0.8 * servers)],
        service_distributions=[ciw.dists.Exponential(rate=1.0)],
        number_of_servers=[servers],
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_customers(n)
    return simulation.get_all_records()


def salabim_yieldless(n, servers=1, seed=1):
    env = salabim.Environment(random_seed=seed)
    server = salabim.Resource(capacity=servers)
    service = salabim.Exponential(rate=1.0)
    record = []

    class Message(salabim.Component):
        def process(self):
            self.request(server)
            started = env.now()
            self.hold(service)
            record.append((self.sequence_number(), self.creation_time(), started, env.now()))

    salabim.ComponentGenerator(Message, iat=salabim.Exponential(rate=0.8 * servers), number=n)
    env.run()
    return record


def salabim_yielding(n, servers=1, seed=1):
    env = salabim.Environment(random_seed=seed, yieldless=False)
    server = salabim.Resource(capacity=servers)
    service = salabim.Exponential(rate=1.0)
    record = []

    class Message(salabim.Component):
        def process(self):
            yield self.request(server)
            started = env.now()
            yield self.hold(service)
            record.append((self.sequence_number(), self.creation_time(), started, env.now()))

    salabim.ComponentGenerator(Message, iat=salabim.Exponential(rate=0.8 * servers), number=n)
    env.run()
    return record


def python_lindley(n, seed=1):
    """The recursion alone, for a single server: no queue, no clock, no processes."""
    rng = random.Random(seed)
    record = []
    created = finished = 0.0
    for number in range(n):
        created += rng.expovariate(0.8)
        started = max(created, finished)
        finished = started + rng.expovariate(1.0)
        record.append((number, created, started, finished))
    return record


def numpy_lindley(n, seed=1):
    """The same for all messages at once."""
    rng = np.random.default_rng(seed)
    created = np.cumsum(rng.exponential(1 / 0.8, n))
    service = rng.exponential(1.0, n)
    work = np.cumsum(service)
    finished = work + np.maximum.accumulate(created - (work - service))
    return created, finished - service, finished


def simpy_calls(n, workers=30, timeout=1.0, retries=3, seed=1):
    """Calls that wait for a worker, give up after a while and try again: 280 a second, 0.1 s each.

    A worker doesn't know that its caller has left, and does the work all the same.
    """
    env = simpy.Environment()
    service = simpy.Resource(env, capacity=workers)
    rng = random.Random(seed)
    record = []

    def attempt(work):
        with service.request() as turn:
            yield turn
            yield env.timeout(work)

    def call(number):
        created, work = env.now, rng.expovariate(10)
        for tried in range(1 + retries):
            answer = env.process(attempt(work))
            yield answer | env.timeout(timeout)
            if answer.triggered:
                record.append((number, created, env.now, tried))
                return
        record.append((number, created, None, retries))

    def arrive():
        for number in range(n):
            yield env.timeout(rng.expovariate(280))
            env.process(call(number))

    env.process(arrive())
    env.run()
    return record
