"""A pool of actors: `pool` hands out tasks and replaces actors, `backend` is where they live."""
