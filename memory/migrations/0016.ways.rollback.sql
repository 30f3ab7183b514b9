DROP TABLE other_ways;
