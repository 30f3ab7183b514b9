DROP TABLE solutions;
