"""Plans: what changes would do, and the changes made in order with what they did measured."""
