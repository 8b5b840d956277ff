"""What a recipe needs of this machine, of the Hub and of servers, told in seconds before a run."""
