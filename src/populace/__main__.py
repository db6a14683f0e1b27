"""``python -m populace``: the command line."""

from populace.cli import main

if __name__ == "__main__":
    main()
