"""`python -m keras_ae` is the command line."""

from keras_ae.cli import main

main()
