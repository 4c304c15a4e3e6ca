"""``python -m thermograd`` is the command ``thermograd``."""

from thermograd.cli import main

if __name__ == "__main__":
    main()
