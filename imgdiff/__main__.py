"""`python -m imgdiff VERB`, the same as `imgdiff VERB`."""

import sys

from imgdiff.cli import main

if __name__ == "__main__":
    sys.exit(main())
