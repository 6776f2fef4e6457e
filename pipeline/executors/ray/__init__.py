"""Ray actors: one per worker, each with its own process and, if the stage asks, its own GPU.

Only this package imports Ray. Actors commit their own results and return a few numbers,
so nothing large passes through the object store, and neither it nor the driver grows with the
grid.

If RAY_ADDRESS is set, the actors live on that cluster. Otherwise, and with RAY_ADDRESS=local, a
local cluster is started and stopped again, with a token that only this process and its children
know. Clusters that `ray start` has left on the machine are not used.
"""
