"""One run of a model: what is fed, how it is run, what is put back afterwards."""
